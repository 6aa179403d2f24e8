//! From runs to a submission and back: runs that did not finish, parents, sources, training again, sweeps.
//! Not here: submissions that were altered (`submission`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Output, Place, garden};
use crate::entry::{Entry, Parts, RECIPE, rechained};

fn report(series: &Path) -> Value {
    serde_json::from_slice(&fs::read(series.join("report.json")).unwrap()).unwrap()
}

fn only_folder(out: &Path) -> Option<PathBuf> {
    fs::read_dir(out).ok()?.next().map(|entry| entry.unwrap().path())
}

/// A table's cells without the spaces and breaks that its width makes.
fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn submit(place: &Place, more: &str) -> Output {
    Entry::get().run(place, &format!("submit series {more}"))
}

#[test]
fn the_same_series_makes_the_same_file_and_says_where_it_is() {
    let (entry, place) = (Entry::get(), Place::new());
    let told = entry.run(&place, "submit SERIES --author ada --no-source").expect_code(0).stdout;
    let name = format!("{}.submission.tar.gz", entry.series().file_name().unwrap().display());
    assert!(told.contains(&format!("wrote   {name}")), "{told}");
    entry.run(&place, "submit SERIES --author @ada --no-source --out again.tar.gz").expect_code(0);
    assert_eq!(fs::read(place.path(&name)).unwrap(), fs::read(place.path("again.tar.gz")).unwrap());
    let parts = Parts::read(&place.path(&name));
    assert_eq!(parts.about["author"], "@ada");
    let names: Vec<&str> = parts.files.iter().map(|(name, _)| name.as_str()).collect();
    let of_run =
        |seed| ["ledger.jsonl", "attempts.jsonl", "environment.jsonl"].map(|file| format!("seed-{seed}/{file}"));
    let of_runs: Vec<String> = (1..=3).flat_map(of_run).collect();
    assert_eq!(names[..3], ["recipe.toml", "rules.toml", "report.json"]);
    assert_eq!(names[3..], of_runs);
}

#[test]
fn what_does_not_stand_is_not_written_and_every_reason_is_told() {
    let (entry, place) = (Entry::get(), Place::new());
    entry.copy_to(&place, false);
    fs::write(place.path("why.toml"), "method = \"magic\"\nbased_on = []\nwhy = \"\"\ndata_note = \"none\"\n").unwrap();
    let ended = submit(&place, "--no-source --explanation why.toml --out no.tar.gz").expect_code(4);
    for expected in
        ["`method`, `why`, `based_on` must say more", "`data_note` must say more", "why = \"Why this should"]
    {
        let told = words_of(&ended.stdout);
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(ended.stderr.contains("rules R8, R9 are not kept"), "{}", ended.stderr);
    assert!(
        fs::read_dir(place.path("")).unwrap().all(|file| !file
            .unwrap()
            .path()
            .display()
            .to_string()
            .contains("no.tar"))
    );
    // A better one is taken in place of the recipe's.
    let better = "method = \"Crops of many sizes\"\nbased_on = [\"fastai's own crops\"]\nwhy = \"They show more each epoch\"\n\
                  data_note = \"TFRecords read directly, always\"\n";
    fs::write(place.path("why.toml"), better).unwrap();
    let told = submit(&place, "--no-source --explanation why.toml --out yes.tar.gz").expect_code(0).stdout;
    assert!(told.contains("TFRecords read directly, always"), "{told}");
    for (words, code) in [("submit nowhere", 2), ("submit series --out nowhere/x", 2), ("submit series --source .", 2)]
    {
        place.run(words).expect_code(code);
    }
    let told = place.run("submit series --author a/b").stderr;
    assert!(told.contains("--author") && told.contains("as in @ada"), "{told}");
}

#[test]
fn a_run_that_was_killed_stays_visible_until_it_is_finished() {
    let (entry, place) = (Entry::get(), Place::new());
    let words = format!(
        "train {0}/entry.toml --runs 3 --rules {0}/rules.toml --data {0}/garden --device cpu --out runs",
        entry.path("").display()
    );
    let mut child = place.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let second = || only_folder(&place.path("runs")).map(|series| series.join("seed-2/checkpoints"));
    while second().and_then(|folder| only_folder(&folder)).is_none_or(|newest| newest.extension().is_some()) {
        assert!(child.try_wait().unwrap().is_none(), "the training ended before its second run");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let series = only_folder(&place.path("runs")).unwrap();
    let told = report(&series);
    assert_eq!((told["runs"].as_array().unwrap().len(), &told["unfinished"][0]["seed"]), (1, &2.into()));
    let reasons = told["not_a_submission"].to_string();
    assert!(reasons.contains("R4: started and not finished: seed 2"), "{reasons}");
    let submit = format!("submit {} --no-source --out early.tar.gz", series.display());
    let told = words_of(&place.run(&submit).expect_code(4).stdout);
    assert!(told.contains("R4 mean of enough runs fail") && told.contains("not finished: seed 2"), "{told}");
    // Its folder can't be taken away and the run made again.
    fs::rename(series.join("seed-2"), place.path("aside")).unwrap();
    let told = place.run(&format!("{words} --resume")).expect_code(2).stderr;
    assert!(told.contains("seed-2 is gone"), "{told}");
    fs::rename(place.path("aside"), series.join("seed-2")).unwrap();
    let told = place.run(&format!("{words} --resume")).expect_code(0).stdout;
    let again = report(&series);
    assert_eq!((&again["unfinished"], &again["not_a_submission"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(again["runs"][1]["attempts"].as_array().unwrap().len(), 2);
    assert!(told.contains("attempts"), "a line a run: {told}");
    let whole = report(&entry.series());
    for (one, other) in again["runs"].as_array().unwrap().iter().zip(whole["runs"].as_array().unwrap()) {
        assert_eq!(one["ledger_head"], other["ledger_head"], "as if nothing had been");
    }
    place.run(&submit).expect_code(0);
}

#[test]
fn a_run_that_failed_says_why_in_the_report() {
    let (entry, place) = (Entry::get(), Place::new());
    // So large a rate that the loss is no number any more.
    let words = "train ENTRY/entry.toml --rules none --out runs --set optimizer.lr=1e30 --runs 2";
    entry.run(&place, words).expect_code(1);
    let told = report(&only_folder(&place.path("runs")).unwrap());
    assert_eq!((&told["runs"], &told["unfinished"][0]["seed"]), (&serde_json::json!([]), &1.into()));
    assert!(told["unfinished"][0]["why"].to_string().contains("diverged"), "{told}");
}

#[test]
fn parents_ledgers_go_with_the_run_and_into_its_submission() {
    let (entry, place) = (Entry::get(), Place::new());
    let child = RECIPE.replace("name = \"entry\"", "name = \"child\"").replace("epochs = 2", "epochs = 1");
    fs::write(place.path("child.toml"), child).unwrap();
    let train = "train child.toml --runs 3 --rules ENTRY/rules.toml --out runs --from SERIES";
    entry.run(&place, train).expect_code(0);
    let series = only_folder(&place.path("runs")).unwrap();
    for seed in 1..=3 {
        let kept = fs::read(series.join(format!("seed-{seed}/parents/1/ledger.jsonl"))).unwrap();
        assert_eq!(kept, fs::read(entry.series().join(format!("seed-{seed}/ledger.jsonl"))).unwrap());
    }
    place.run(&format!("submit {} --no-source --out child.tar.gz", series.display())).expect_code(0);
    let told = place.run("verify child.tar.gz").expect_code(0).stdout;
    assert!(told.contains("3 epochs, 2 of them the parent's"), "{told}");
    let altered = |alter: &dyn Fn(&mut Parts), expected: &str| {
        let mut parts = Parts::read(&place.path("child.tar.gz"));
        alter(&mut parts);
        parts.write(&place.path("altered.tar.gz"));
        let told = words_of(&place.run("verify altered.tar.gz").expect_code(4).stdout);
        assert!(told.contains(expected), "{expected}: {told}");
    };
    altered(
        &|parts| parts.files.retain(|(name, _)| !name.starts_with("seed-2/parents/")),
        "the ledger of a parent of seed 2",
    );
    let other = |parts: &mut Parts| {
        let second = parts.file("seed-2/parents/1/ledger.jsonl").clone();
        *parts.file("seed-1/parents/1/ledger.jsonl") = second;
    };
    altered(&other, "fault seed-1/parents/1/ledger.jsonl");
    // A parent whose ledger says otherwise, with every chain made anew.
    let forge = |key: &str, file: &str| {
        let mut parts = Parts::read(&place.path("child.tar.gz"));
        let forged = |text: &str| {
            let (before, after) = text.split_once(&format!("\"{key}\":\"")).unwrap();
            rechained(&format!("{before}\"{key}\":\"{}{}", "0".repeat(64), &after[64..]))
        };
        let name = "seed-1/parents/1/ledger.jsonl";
        let head = |parts: &mut Parts| {
            let text = String::from_utf8(parts.file(name).clone()).unwrap();
            text.trim_end().rsplit_once("\"chain\":\"").unwrap().1[..64].to_owned()
        };
        let before = head(&mut parts);
        parts.change(name, forged);
        let after = head(&mut parts);
        parts.ledger(1, |text| text.replace(&before, &after));
        parts.report(|report| report["runs"][0]["parent"]["ledger_head"] = after.clone().into());
        parts.write(&place.path(file));
        place.run(&format!("verify {file}")).expect_code(0);
    };
    forge("data_fingerprint", "elsewhere.tar.gz");
    let told = entry.run(&place, "verify elsewhere.tar.gz --data ENTRY/garden").expect_code(4).stdout;
    assert!(told.contains("fault   seed-1/parents/1/ledger.jsonl: line 1 was trained on other data"), "{told}");
    forge("batch_hash", "pixels.tar.gz");
    let told = entry.run(&place, "verify pixels.tar.gz --rerun --data ENTRY/garden --device cpu").expect_code(4).stdout;
    assert!(told.contains("parent 1: step 1 of epoch 1, tickets 0 to 8: another batch hash"), "{told}");
    entry.run(&place, "verify child.tar.gz --data ENTRY/garden").expect_code(0);
    let strict = entry.run(&place, "verify child.tar.gz --rules none").expect_code(0).stdout;
    assert!(strict.contains("verdict it stands"), "{strict}");
    // Training again trains the parent first.
    let words = "verify child.tar.gz --rerun --data ENTRY/garden --device cpu --format json";
    let told = entry.run(&place, words).expect_code(0).json();
    assert_eq!((&told["rerun"]["runs"][0]["weights_equal"], &told["rerun"]["agrees"]), (&true.into(), &true.into()));
}

#[test]
fn a_parent_that_was_picked_or_used_more_than_the_rules_allow_is_told() {
    let (entry, place) = (Entry::get(), Place::new());
    // Without rules an epoch has all 70 pictures.
    entry.run(&place, "train ENTRY/entry.toml --seed 5 --rules none --out parents").expect_code(0);
    let parent = only_folder(&place.path("parents")).unwrap().join("seed-5");
    fs::write(place.path("child.toml"), RECIPE.replace("name = \"entry\"", "name = \"child\"")).unwrap();
    let train = format!("train child.toml --seed 1 --rules ENTRY/rules.toml --out runs --from {}", parent.display());
    let trained = entry.run(&place, &train).expect_code(0).stdout;
    let series = only_folder(&place.path("runs")).unwrap();
    let submit = format!("submit {} --no-source --out child.tar.gz", series.display());
    let submitted = words_of(&place.run(&submit).expect_code(4).stdout.replace("│", " "));
    for told in [words_of(&trained), submitted] {
        assert!(told.contains("seed 1 started from a run of seed 5"), "{told}");
        assert!(told.contains("an epoch of a parent of seed 1 has 70 examples, more than 64"), "{told}");
    }
}

#[test]
fn the_files_that_samplers_go_by_go_with_the_recipe() {
    let (entry, place) = (Entry::get(), Place::new());
    let weights: String = (0..104).map(|class| format!("{class},{}\n", 1 + class % 3)).collect();
    fs::write(place.path("weights.csv"), format!("class,weight\n{weights}")).unwrap();
    let sampler = "sampler = { kind = \"weighted\", file = \"weights.csv\" }\ncrop =";
    fs::write(place.path("weighted.toml"), RECIPE.replace("crop =", sampler)).unwrap();
    entry.run(&place, "train weighted.toml --runs 3 --rules ENTRY/rules.toml --out runs").expect_code(0);
    let series = only_folder(&place.path("runs")).unwrap();
    let submit = format!("submit {} --no-source --out weighted.tar.gz", series.display());
    place.run(&submit).expect_code(0);
    // The submission stands alone, where nothing else of the series is.
    fs::remove_file(place.path("weights.csv")).unwrap();
    let again = "verify weighted.tar.gz --rerun --data ENTRY/garden --device cpu --format json";
    let told = entry.run(&place, again).expect_code(0).json();
    assert_eq!(told["rerun"]["runs"][0]["weights_equal"], true, "{told}");
    let refused = |alter: &dyn Fn(&mut Parts), expected: &str| {
        let mut parts = Parts::read(&place.path("weighted.tar.gz"));
        alter(&mut parts);
        parts.write(&place.path("altered.tar.gz"));
        let told = place.run("verify altered.tar.gz").expect_code(4).stderr;
        assert!(told.contains(expected), "{expected}: {told}");
    };
    let is_weights = |name: &str| name.ends_with(".csv");
    refused(&|parts| parts.files.retain(|(name, _)| !is_weights(name)), "is missing");
    let heavier = |parts: &mut Parts| {
        let name = parts.files.iter().find(|(name, _)| is_weights(name)).unwrap().0.clone();
        parts.change(&name, |text| text.replacen("0,1\n", "0,2\n", 1));
    };
    refused(&heavier, "is not what it was");
    let more =
        |parts: &mut Parts| parts.files.insert(3, ("0123456789abcdef.csv".to_owned(), b"class,weight\n".to_vec()));
    refused(&more, "the recipe names no such file");
    // Files of this machine are nobody's business.
    let named = |parts: &mut Parts| {
        let name = parts.files.iter().find(|(name, _)| is_weights(name)).unwrap().0.clone();
        parts.change("recipe.toml", |text| text.replace(&name, "/etc/hostname"));
    };
    refused(&named, "/etc/hostname is missing");
    // A point of a sweep has them too.
    let sweep = "sweep runs/SERIES/recipe.toml --rules none --grid optimizer.lr=0.01 --set stage.0.epochs=1";
    let sweep = sweep.replace("runs/SERIES", &series.display().to_string());
    entry.run(&place, &sweep).expect_code(0);
}

#[test]
fn training_again_bears_an_honest_submission_out_and_no_other() {
    let (entry, place) = (Entry::get(), Place::new());
    let rerun = |file: &str| format!("verify {file} --rerun --data ENTRY/garden --device cpu");
    let told = entry.run(&place, &format!("{} --runs 2", rerun("ENTRY/entry.tar.gz"))).expect_code(0).stdout;
    assert_eq!(told.matches("the hashes of all 16 batches agree; weights equal to the bit").count(), 2, "{told}");
    assert!(told.contains("two-sided t-test at 1 %"), "{told}");
    // Chain, report and sums made anew for accuracies that never were: nothing but training again can tell.
    let mut parts = Parts::read(&entry.path("entry.tar.gz"));
    for seed in 1..=3 {
        parts.ledger(seed, |text| {
            let (head, last) = text.trim_end().rsplit_once('\n').unwrap();
            let (before, after) = last.split_once("\"accuracy\":").unwrap();
            format!("{head}\n{before}\"accuracy\":0.95{}\n", &after[after.find(',').unwrap()..])
        });
    }
    parts.report(|report| {
        for run in report["runs"].as_array_mut().unwrap() {
            run["accuracy"] = 0.95.into();
            run["epochs"][1]["accuracy"] = 0.95.into();
        }
        report["accuracy_mean"] = 0.95.into();
        report["accuracy_std_population"] = 0.0.into();
        report["accuracy_std_sample"] = 0.0.into();
    });
    parts.write(&place.path("better.tar.gz"));
    place.run("verify better.tar.gz").expect_code(0);
    let told = entry.run(&place, &rerun("better.tar.gz")).expect_code(4).stdout;
    assert!(told.contains("beyond the ±") && told.contains("training again does not bear it out"), "{told}");
    // Other pixels than the recipe makes.
    let mut parts = Parts::read(&entry.path("entry.tar.gz"));
    parts.ledger(1, |text| {
        let place = text.match_indices("\"batch_hash\":\"").nth(2).unwrap().0 + 14;
        format!("{}{}{}", &text[..place], "0".repeat(64), &text[place + 64..])
    });
    parts.write(&place.path("pixels.tar.gz"));
    let told = entry.run(&place, &rerun("pixels.tar.gz")).expect_code(4).stdout;
    assert!(told.contains("step 3 of epoch 1, tickets 16 to 24: another batch hash"), "{told}");
    // On other data there is nothing to train.
    garden(&place.path("other"), 80, 20, 48);
    let words = "verify ENTRY/entry.tar.gz --rerun --data other --device cpu";
    let ended = entry.run(&place, words).expect_code(4);
    assert!(!ended.stderr.contains("training entry again"), "{}", ended.stderr);
}

#[test]
fn another_program_is_built_from_the_source_only_when_that_is_agreed_to() {
    let (entry, place) = (Entry::get(), Place::new());
    // A program of the same name that does what ours does: it starts ours, whose path is in the patch alone.
    let source = place.path("source");
    fs::create_dir_all(source.join("src")).unwrap();
    fs::write(source.join("Cargo.toml"), "[package]\nname = \"fastgarden-actors\"\nedition = \"2024\"\n[workspace]\n")
        .unwrap();
    fs::write(source.join("src/main.rs"), "fn main() {}\n").unwrap();
    let git = |words: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let status =
            std::process::Command::new("git").current_dir(&source).args(identity).args(words).status().unwrap();
        assert!(status.success(), "git {words:?}");
    };
    let lock = std::process::Command::new(env!("CARGO"))
        .current_dir(&source)
        .args(["generate-lockfile", "--offline"])
        .status();
    assert!(lock.unwrap().success());
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "-m", "first"]);
    git(&["remote", "add", "origin", source.to_str().unwrap()]);
    let main = format!(
        "use std::os::unix::process::CommandExt as _;\nfn main() {{\n    let _ = \
         std::process::Command::new({:?}).args(std::env::args_os().skip(1)).exec();\n}}\n",
        env!("CARGO_BIN_EXE_fastgarden-actors")
    );
    fs::write(source.join("src/main.rs"), main).unwrap();
    entry.run(&place, "submit SERIES --author @ada --source source --out built.tar.gz").expect_code(0);
    let words = "verify built.tar.gz --rerun --build --data ENTRY/garden --device cpu --out again";
    let told = entry.run(&place, words).expect_code(2).stderr;
    assert!(told.contains("runs the code of @ada") && told.contains("add --yes"), "{told}");
    assert!(!place.path("again/source").exists(), "nothing was fetched");
    let others = place.path("again/source/precious");
    fs::create_dir_all(&others).unwrap();
    let told = entry.run(&place, &format!("{words} --yes")).expect_code(2).stderr;
    assert!(told.contains("is not this submission's source") && others.is_dir(), "{told}");
    fs::remove_dir_all(place.path("again")).unwrap();
    let words = format!("{words} --yes").replace("ENTRY", &entry.path("").display().to_string());
    let mut command = place.command(&words);
    // Where Rust's tools lie, which a home of its own hides.
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo"))).unwrap();
    command.env("LIBTORCH", "/nowhere").env("CARGO_HOME", home);
    if let Ok(home) =
        std::env::var("RUSTUP_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.rustup")))
    {
        command.env("RUSTUP_HOME", home);
    }
    let output = command.output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}\n{errors}");
    assert!(told.contains("the hashes of all 16 batches agree"), "{told}");
    assert!(place.path("again/target/release/fastgarden-actors").is_file());
}

#[test]
fn a_sweep_compares_its_points_and_goes_on_where_it_stopped() {
    let (entry, place) = (Entry::get(), Place::new());
    let words =
        "sweep ENTRY/entry.toml --set stage.0.epochs=1 --rules none --format json --grid optimizer.lr=0.01,0.02";
    let ended = entry.run(&place, words);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("evaluation.on=holdout:1000"),
        "tuning on the scored set is warned of: {}",
        ended.stderr
    );
    let told = ended.json();
    assert_eq!((&told["keys"][0], told["points"].as_array().unwrap().len()), (&"optimizer.lr".into(), 2));
    let ledger =
        |point: &Value| fs::read(place.path(point["series"].as_str().unwrap()).join("seed-1/ledger.jsonl")).unwrap();
    assert_ne!(ledger(&told["points"][0]), ledger(&told["points"][1]));
    assert!(told["points"][0]["report"]["accuracy_mean"].is_f64());
    // A larger grid keeps what is there.
    let more = entry.run(&place, &words.replace("0.02", "0.02,0.03"));
    assert_eq!(more.code, 0, "{}", more.stderr);
    assert_eq!(more.stderr.matches("epoch 1/1 done").count(), 1, "{}", more.stderr);
    assert_eq!(more.json()["points"][0], told["points"][0]);
    let text = entry.run(&place, &words.replace("--format json", "--format text")).stdout;
    assert!(text.contains("optimizer.lr") && text.contains("scored on val"), "{text}");
    entry.run(&place, "sweep ENTRY/entry.toml --grid optimizer.lr=0.01,fast").expect_code(2);
    entry.run(&place, "sweep ENTRY/entry.toml --grid optimizer.lr").expect_code(2);
}
