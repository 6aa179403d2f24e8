//! The web dashboard: one page, carried in the program, and what it asks for. Nothing is fetched from elsewhere.
//! Not here: who may look (see `server`), or what is shown (see `moment`; `history` for runs of the past).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpResponse, Responder};
use fastgarden_data::shared::lock;
use fastgarden_data::tap::{Glimpse, Tap};
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::live::Live;
use crate::history::History;
use crate::page::base64;

/// Longest side of a picture in the strip, pixels.
const STRIP_SIDE_MAX: u32 = 112;
/// Pages that follow a run at a time. Half of the server's connections, so that pages that stop reading shut nobody out.
const FOLLOWERS_MAX: usize = 32;
/// How soon a browser asks again after the connection broke.
const RETRY: Duration = Duration::from_secs(1);

/// What the page shows.
pub struct Board {
    live: Arc<Live>,
    tap: Arc<Tap>,
    class_names: Option<Vec<String>>,
    runs_folder: PathBuf,
    history: Mutex<History>,
    followers: Arc<Semaphore>,
}

impl Board {
    /// Of the series at hand, the pictures that it trains on, its classes where they have names, and the folder of all
    /// series.
    pub fn new(live: Arc<Live>, tap: Arc<Tap>, class_names: Option<Vec<String>>, runs_folder: PathBuf) -> Self {
        let followers = Arc::new(Semaphore::new(FOLLOWERS_MAX));
        Self { live, tap, class_names, runs_folder, history: Mutex::default(), followers }
    }
}

/// Adds the page and its parts.
pub fn routes(board: &Arc<Board>, config: &mut web::ServiceConfig) {
    let fixed = |mime: &'static str, text: &'static str| {
        web::get().to(move || async move { HttpResponse::Ok().insert_header((CONTENT_TYPE, mime)).body(text) })
    };
    config
        .app_data(Data::new(Arc::clone(board)))
        .route("/", fixed("text/html; charset=utf-8", include_str!("page.html")))
        .route("/style.css", fixed("text/css; charset=utf-8", include_str!("style.css")))
        .route("/page.js", fixed("text/javascript; charset=utf-8", include_str!("page.js")))
        .route("/uPlot.js", fixed("text/javascript; charset=utf-8", include_str!("uPlot.iife.min.js")))
        .route("/uPlot.css", fixed("text/css; charset=utf-8", include_str!("uPlot.min.css")))
        .route("/events", web::get().to(events))
        .route("/past.json", web::get().to(past))
        .route("/strip.json", web::get().to(strip))
        .route("/quarantined.json", web::get().to(quarantined))
        .route("/runs.json", web::get().to(runs));
}

/// Moments as they come (server-sent events). A browser that stops reading misses some, and holds up nobody.
async fn events(board: Data<Arc<Board>>) -> HttpResponse {
    let Ok(place) = Arc::clone(&board.followers).try_acquire_owned() else {
        let refusal = format!("{FOLLOWERS_MAX} pages follow this run already; close one of them");
        return HttpResponse::ServiceUnavailable().content_type("text/plain").body(refusal);
    };
    let newest = board.live.subscribe();
    let opening = format!("retry: {}\n\n", RETRY.as_millis());
    // The place is given back when the stream is dropped, with its connection.
    let stream = unfold((newest, Some(opening), place), |(mut newest, opening, place)| async move {
        if let Some(opening) = opening {
            let first = moment_event(&newest.borrow_and_update());
            return Some((Ok::<_, actix_web::Error>(Bytes::from(opening + &first)), (newest, None, place)));
        }
        // Ends with the program, which is when nobody sends any more.
        newest.changed().await.ok()?;
        let event = moment_event(&newest.borrow_and_update());
        Some((Ok(Bytes::from(event)), (newest, None, place)))
    });
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/event-stream")).streaming(stream)
}

fn moment_event(moment: &watch::Ref<'_, Arc<fastgarden_proto::observe::Moment>>) -> String {
    let text = serde_json::to_string(&***moment).expect("moments have only text keys");
    format!("data: {text}\n\n")
}

/// Moments since the series began, thinned out.
async fn past(board: Data<Arc<Board>>) -> impl Responder {
    let past = board.live.past();
    HttpResponse::Ok().json(past.iter().map(|moment| &**moment).collect::<Vec<_>>())
}

/// What the newest quarantined records were, the newest last.
async fn quarantined(board: Data<Arc<Board>>) -> impl Responder {
    HttpResponse::Ok().json(board.live.quarantined())
}

/// Pictures that are trained on, and what they are; null before there are any.
async fn strip(board: Data<Arc<Board>>) -> impl Responder {
    let seen = board.tap.look().map(|seen| labelled(&seen, board.class_names.as_deref())).transpose();
    match seen {
        Ok(strip) => HttpResponse::Ok().json(strip),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// Names and pictures of one look: asked for apart they could be those of two batches.
fn labelled(seen: &Glimpse, class_names: Option<&[String]>) -> Result<Value, png::EncodingError> {
    let name = |label: i64| match (class_names, usize::try_from(label)) {
        (_, Err(_)) => "no label".to_owned(),
        (Some(names), Ok(class)) if class < names.len() => names[class].clone(),
        (_, Ok(class)) => format!("class {class}"),
    };
    let names: Vec<_> = seen.labels.iter().map(|&label| name(label)).collect();
    let (width, height) = (seen.size.width, seen.size.height);
    let png = base64(&strip_of(seen)?.bytes);
    Ok(json!({ "first_seq": seen.first_seq, "names": names, "width": width, "height": height, "png": png }))
}

/// Series of the past.
async fn runs(board: Data<Arc<Board>>) -> impl Responder {
    let read = move || {
        let mut history = lock(&board.history);
        serde_json::to_vec(&history.read(&board.runs_folder)).expect("reports have only text keys")
    };
    match web::block(read).await {
        Ok(found) => HttpResponse::Ok().content_type("application/json").body(found),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// Pictures side by side.
pub struct Strip {
    /// Pixels across, of all of them.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// As PNG.
    pub bytes: Vec<u8>,
}

/// Makes a strip of pictures, which become smaller by averaging whole pixels.
pub fn strip_of(seen: &Glimpse) -> Result<Strip, png::EncodingError> {
    let (width, height) = (seen.size.width as usize, seen.size.height as usize);
    let by = seen.size.width.max(seen.size.height).div_ceil(STRIP_SIDE_MAX).max(1) as usize;
    let (small_width, small_height) = ((width / by).max(1), (height / by).max(1));
    let rows = seen.labels.len();
    let mut pixels = vec![0; rows * small_width * small_height * 3];
    for (row, picture) in seen.pixels.chunks_exact(width * height * 3).enumerate() {
        for (y, lines) in picture.chunks_exact(by * width * 3).take(small_height).enumerate() {
            let line = (y * rows + row) * small_width * 3;
            shrink(lines, by, &mut pixels[line..][..small_width * 3]);
        }
    }
    let (width, height) = ((rows * small_width) as u32, small_height as u32);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // A filter that is chosen anew for each line would take several times as long, beside the training.
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Paeth);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(Strip { width, height, bytes })
}

/// Makes a line of the smaller picture of `by` lines: each value is the mean of a square of `by` × `by` pixels.
fn shrink(lines: &[u8], by: usize, small: &mut [u8]) {
    let mut sums = vec![0_u32; small.len()];
    for line in lines.chunks_exact(lines.len() / by) {
        for (sums, square) in sums.chunks_exact_mut(3).zip(line.chunks_exact(3 * by)) {
            for pixel in square.chunks_exact(3) {
                sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u32::from(value));
            }
        }
    }
    let area = (by * by) as u32;
    small.iter_mut().zip(sums).for_each(|(small, sum)| *small = ((sum + area / 2) / area) as u8);
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use fastgarden_data::geometry::Size;

    use super::*;

    #[test]
    fn a_page_too_many_is_told_so_until_another_one_is_closed() {
        let board = Arc::new(Board::new(Live::new("tiny", 1), Arc::default(), None, PathBuf::new()));
        let runtime = actix_web::rt::System::new();
        let follow = || runtime.block_on(events(Data::new(Arc::clone(&board))));
        let mut pages: Vec<HttpResponse> = (0..FOLLOWERS_MAX).map(|_| follow()).collect();
        assert!(pages.iter().all(|page| page.status() == StatusCode::OK));
        assert_eq!(follow().status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(pages.pop());
        assert_eq!(follow().status(), StatusCode::OK);
    }

    #[test]
    fn names_and_pictures_are_those_of_one_look() {
        let size = Size { width: 8, height: 8 };
        let seen = Glimpse { size, pixels: vec![0; 3 * 8 * 8 * 3], labels: vec![1, -1, 7], first_seq: 32 };
        let names = ["rose", "tulip"].map(str::to_owned);
        let told = labelled(&seen, Some(&names)).unwrap();
        assert_eq!(told["names"], json!(["tulip", "no label", "class 7"]));
        assert_eq!((&told["first_seq"], &told["width"]), (&json!(32), &json!(8)));
        let strip = strip_of(&seen).unwrap();
        assert_eq!((strip.width, &told["png"]), (3 * 8, &json!(base64(&strip.bytes))));
    }

    #[test]
    fn a_strip_holds_its_pictures_side_by_side_and_smaller() {
        let size = Size { width: 224, height: 112 };
        let picture = |even: u8, odd: u8| [[even; 3], [odd; 3]].concat().repeat(224 * 112 / 2);
        let pixels = [picture(10, 10), picture(200, 203)].concat();
        let seen = Glimpse { size, pixels, labels: vec![0, 1], first_seq: 0 };
        let strip = strip_of(&seen).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(strip.bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (224, 56));
        assert_eq!((strip.width, strip.height), (224, 56));
        assert_eq!((pixels[0], pixels[111 * 3], pixels[112 * 3], *pixels.last().unwrap()), (10, 10, 202, 202));
    }
}
