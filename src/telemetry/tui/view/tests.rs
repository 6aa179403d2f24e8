//! What is on the screen, at several sizes.

use fastgarden_proto::observe::{Place, Trainer};
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

fn screen(width: u16, height: u16, epochs: &[String], notes: &[String]) -> String {
    let now = moment();
    let past: Vec<_> = (0..50).map(|_| Arc::new(moment())).collect();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| View { now: &now, past: &past, epochs, notes }.draw(frame)).unwrap();
    terminal.backend().to_string()
}

fn numbered(name: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{name} {number}")).collect()
}

#[test]
fn the_screen_says_where_a_run_is_and_what_limits_it() {
    let text = screen(100, 40, &numbered("row", 4), &numbered("note", 2));
    for part in [
        "seedling  run 2/3, seed 2  1:05",
        "epoch 1/5 train  1,024/3,328",
        "decode limits: 2 decoders busy 96 %",
        "3.2 ms",
        "trainer  step 16  812 images/s",
        "images per second 812",
        "training loss 3.250",
        "row 4",
        "note 2",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn what_is_newest_stays_in_sight_where_there_is_little_room() {
    let text = screen(80, 24, &numbered("row", 30), &numbered("note", 30));
    for part in ["row 1 ", "row 2 ", "row 30", "note 30"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("note 1 "), "{text}");
}

#[test]
fn no_size_is_too_small_to_be_drawn() {
    for (width, height) in [(1, 1), (10, 3), (40, 12), (80, 15), (300, 100)] {
        screen(width, height, &numbered("row", 3), &numbered("note", 3));
    }
}
