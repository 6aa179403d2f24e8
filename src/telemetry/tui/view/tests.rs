//! What is on the screen, at several sizes.

use fastgarden_proto::observe::{Held, Place, Reason, Trainer};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

fn moment() -> Moment {
    let stage = |name: &str, busy_share| StageMoment {
        name: name.to_owned(),
        workers: 2,
        workers_alive: 2,
        busy_share,
        wait_input_share: 1.0 - busy_share,
        images_per_s: 812.0,
        service_p50_ms: Some(3.25),
        readiness: 0.5,
        ..StageMoment::default()
    };
    Moment {
        seconds: 65.0,
        place: Some(Place {
            recipe: "seedling".to_owned(),
            run: 2,
            runs: 3,
            seed: 2,
            epoch: 1,
            epochs: 5,
            phase: "train".to_owned(),
            done: 1_024,
            total: 3_328,
        }),
        stages: vec![stage("read", 0.1), stage("decode", 0.96), stage("augment", 0.2), stage("sequence", 0.0)],
        trainer: Some(Trainer { images_per_s: 812.0, loss: Some(3.25), step: 16, ..Trainer::default() }),
        bottleneck: "decode".to_owned(),
        verdict: "decode limits: 2 decoders busy 96 %".to_owned(),
        ..Moment::default()
    }
}

/// The same with everything that may be told.
fn talkative_moment() -> Moment {
    let verdict = "decode limits: 2 decoders busy 96 %; the trainer waits 38 %, a perfect loader would be 1.6× as \
                   fast; a third core would give +50 %; cache decoded would give about 2.5×";
    let reason = |name: &str, tickets| Reason { name: name.to_owned(), tickets };
    Moment {
        trainer: Some(Trainer {
            images_per_s: 812.0,
            step_ms: Some(123.0),
            input_wait_share: 0.38,
            step: 12_345,
            loss: Some(3.25),
            lr: Some(3e-4),
            accuracy: Some(0.1234),
            peak_device_bytes: Some(3 << 30),
            ..Trainer::default()
        }),
        held: Some(Held {
            slab_bytes: 96 << 20,
            encoded_bytes: 12 << 20,
            encoded_bytes_max: 256 << 20,
            cache_bytes: Some(1 << 30),
            resident_bytes: Some(2 << 30),
            ..Held::default()
        }),
        quarantined: vec![reason("data_crc_mismatch", 12), reason("unsupported_image", 3)],
        verdict: verdict.to_owned(),
        ..moment()
    }
}

fn screen(now: &Moment, (width, height): (u16, u16), epochs: &[String], notes: &[String]) -> String {
    let past: Vec<_> = (0..50).map(|_| Arc::new(moment())).collect();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| View { now, past: &past, epochs, notes }.draw(frame)).unwrap();
    terminal.backend().to_string()
}

fn assert_shows(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "{part} in\n{text}"));
}

fn numbered(name: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{name} {number}")).collect()
}

#[test]
fn the_screen_says_where_a_run_is_and_what_limits_it() {
    let text = screen(&moment(), (100, 40), &numbered("row", 4), &numbered("note", 2));
    assert_shows(
        &text,
        &[
            "seedling  run 2/3, seed 2  1:05",
            "epoch 1/5 train  1,024/3,328",
            "decode limits: 2 decoders busy 96 %",
            "3.2 ms",
            "trainer   step 16  812 images/s",
            "images per second 812",
            "training loss 3.250",
            "row 4",
            "note 2",
        ],
    );
}

#[test]
fn what_is_newest_stays_in_sight_where_there_is_little_room() {
    let text = screen(&talkative_moment(), (80, 24), &numbered("row", 30), &numbered("note", 30));
    assert_shows(&text, &["row 1 ", "row 2 ", "row 30", "note 30"]);
    assert!(!text.contains("note 1 "), "{text}");
    let narrow = screen(&talkative_moment(), (60, 24), &numbered("row", 30), &numbered("note", 30));
    assert_shows(&narrow, &["trainer   step 12,345", "row 30", "note 30"]);
}

#[test]
fn nothing_is_cut_off_on_the_smallest_usual_terminal() {
    let text = screen(&talkative_moment(), (80, 24), &numbered("row", 30), &numbered("note", 30));
    assert_shows(
        &text,
        &[
            "decode limits: 2 decoders busy 96 %",
            "about 2.5×",
            // The end of the stages' titles.
            "p99      queue",
            "trainer   step 12,345",
            "lr 3.00e-4",
            "accuracy 12.34 %",
            "memory    slabs 96.0 MiB",
            "process 2.0 GiB",
            "device up to 3.0 GiB",
            "bad data  12 data_crc_mismatch  3 unsupported_image",
        ],
    );
}

#[test]
fn lines_end_between_pieces() {
    let lines = |columns| wrapped(["12345", "67", "8"].into_iter(), "  ", columns);
    assert_eq!(lines(12), ["12345  67  8"]);
    assert_eq!(lines(9), ["12345  67", "8"]);
    assert_eq!(lines(8), ["12345", "67  8"]);
    assert_eq!(lines(0), ["12345", "67", "8"]);
}

#[test]
fn no_size_is_too_small_to_be_drawn() {
    for (width, height) in [(1, 1), (10, 3), (40, 12), (80, 15), (300, 100)] {
        for now in [moment(), talkative_moment()] {
            screen(&now, (width, height), &numbered("row", 3), &numbered("note", 3));
        }
    }
}
