//! What is told to people: nothing depends on its being read, and no name in it plays tricks on a terminal.
//! Not here: the full-screen view (see `terminal`).

use std::fs;
use std::io::{BufRead as _, BufReader, PipeWriter};
use std::process::{Command, Stdio};

use crate::common::cut;
use crate::train::{Nursery, essence, report};

/// A pipe whose reader is gone.
fn unread() -> PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn a_signal_saves_everything_though_nobody_reads_what_is_told() {
    let nursery = Nursery::new();
    assert_eq!(nursery.train("whole", "").code, 0);
    let hang_up = cfg!(target_os = "linux").then_some(("-HUP", 129));
    for (signal, code) in [("-TERM", 143), ("-INT", 130)].into_iter().chain(hang_up) {
        let out = format!("stopped{signal}");
        let mut child = nursery.start_until(&out, "1-4");
        // As `head -1` reads it.
        let mut told = BufReader::new(child.stderr.take().unwrap());
        told.read_line(&mut String::new()).unwrap();
        drop(told);
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        let output = nursery.train(&out, "--resume");
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(output.stderr.contains("resumed at step"), "{}", output.stderr);
        assert_eq!(essence(&nursery.path(&out)), essence(&nursery.path("whole")));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_training_that_is_to_outlive_its_terminal_does() {
    let nursery = Nursery::new();
    let words = "train tiny.toml --data garden --out runs --rules none --device cpu";
    let mut command = nursery.place.command_by(&["env", "--ignore-signal=HUP"], words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    told.read_line(&mut String::new()).unwrap();
    let sent = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    std::io::copy(&mut told, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_training_that_nobody_reads_about_succeeds_all_the_same() {
    let nursery = Nursery::new();
    let words = "train tiny.toml --data garden --out runs --rules none --device cpu --max-steps 1";
    let status = nursery.place.command(words).stdout(unread()).stderr(unread()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(report(&nursery.path("runs"))["runs"][0]["accuracy"].is_f64());
}

#[test]
fn a_refusal_that_nobody_reads_keeps_its_exit_code() {
    let nursery = Nursery::new();
    let words = "train tiny.toml --data nowhere --rules none --device cpu";
    let status = nursery.place.command(words).stdout(Stdio::null()).stderr(unread()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_shard_s_name_can_not_clear_the_screen() {
    let nursery = Nursery::new();
    let folder = nursery.path("garden").join("tfrecords-jpeg-48x48/train");
    let shard = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let name = shard.file_name().unwrap().to_str().unwrap();
    let renamed = folder.join(format!("\u{1b}c{name}"));
    fs::rename(&shard, &renamed).unwrap();
    let bytes = fs::metadata(&renamed).unwrap().len() as usize;
    cut(&renamed, bytes - 40);
    let trained = nursery.train("runs", "--max-steps 1");
    let shown = nursery.place.run("data show --data garden --out sheet.png");
    for output in [trained, shown] {
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(output.stderr.contains(&format!("warning \u{fffd}c{name}")), "{}", output.stderr);
        assert!(!output.stderr.contains('\u{1b}'), "{}", output.stderr);
    }
}
