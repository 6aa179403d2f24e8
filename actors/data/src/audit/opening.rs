//! What the first line of a ledger is held to: terms and data.
//! Not here: hashes of recipe and rules, which only the application can make.

use fastgarden_proto::ledger::Opening;

use super::fault::FaultKind;
use super::walk::Walk;
use crate::ledger::LEDGER_VERSION;

impl Walk<'_> {
    pub(super) fn opening(&mut self, line: usize, opening: &Opening) {
        if line != 1 || self.opening.is_some() {
            self.blame(line, FaultKind::OutOfPlace, "opens a ledger, which only the first line does");
            return;
        }
        self.opening = Some(opening.clone());
        if opening.version != LEDGER_VERSION {
            let (theirs, ours) = (opening.version, LEDGER_VERSION);
            let what = format!("is of ledger version {theirs}; this program judges version {ours}");
            self.blame(line, FaultKind::Opening, what);
            self.end();
            return;
        }
        self.hold_to_terms(line, opening);
        self.hold_to_data(line, opening);
        let hashes = [
            ("recipe_hash", &opening.recipe_hash),
            ("rules_hash", &opening.rules_hash),
            ("decoder_fingerprint", &opening.decoder_fingerprint),
            ("validation_fingerprint", &opening.validation_fingerprint),
            ("plan_hash", &opening.plan_hash),
        ];
        for (name, hash) in hashes {
            let may_be_empty = name == "validation_fingerprint" && opening.validation_records == 0;
            if !(is_hash(hash) || (may_be_empty && hash.is_empty())) {
                self.blame(line, FaultKind::Opening, format!("has a {name} that is no hash"));
            }
        }
        if !opening.data_fingerprint.split('+').all(is_hash) {
            self.blame(line, FaultKind::Opening, "has a data_fingerprint that is no hash");
        }
        self.epoch = opening.parent.as_ref().map_or(0, |parent| parent.epochs).saturating_add(1);
        // More lines than can be told apart from a made-up number would not fit on any disk.
        if self.epoch > u32::MAX / 2 || opening.max_steps == Some(0) {
            self.blame(line, FaultKind::Opening, "has a number of epochs or steps that no run has");
            self.end();
            return;
        }
        self.open_epoch(line);
        if let Some(plan) = self.at.as_ref().and_then(|at| at.plan.as_ref())
            && plan.hash() != opening.plan_hash
        {
            let what = "has another plan_hash than recipe, seed and number of records make for its first epoch";
            self.blame(line, FaultKind::Plan, what);
        }
    }

    fn hold_to_terms(&mut self, line: usize, opening: &Opening) {
        if opening.cap != self.terms.cap {
            let word = |cap: Option<u64>| cap.map_or("none".to_owned(), |cap| cap.to_string());
            let what = format!("has the cap {}, but the rules' is {}", word(opening.cap), word(self.terms.cap));
            self.blame(line, FaultKind::Opening, what);
        }
        let (told, asked) = (opening.stages.len(), self.terms.stages.len());
        if told != asked {
            self.blame(line, FaultKind::Opening, format!("has {told} stages, but the recipe has {asked}"));
            self.end();
            return;
        }
        for (number, (told, asked)) in opening.stages.iter().zip(&self.terms.stages).enumerate() {
            let is_same = told.epochs == asked.epochs
                && u64::from(told.batch_size) == asked.batch_rows
                && told.drop_last == asked.drop_last;
            if !is_same {
                let what = format!(
                    "has other epochs, batches or drop_last in stage {number} than the recipe: {} × {}, {}",
                    told.epochs, told.batch_size, told.drop_last
                );
                self.faults.push(super::Fault::at(line, FaultKind::Opening, what));
            }
        }
        let same_split =
            |stage: usize| self.terms.stages.iter().position(|other| other.split == self.terms.stages[stage].split);
        let differs = (0..asked).find(|&stage| {
            same_split(stage).is_some_and(|first| opening.stages[first].records != opening.stages[stage].records)
        });
        if let Some(stage) = differs {
            let what = format!("has another number of records in stage {stage} than in one on the same shards");
            self.blame(line, FaultKind::Opening, what);
        }
    }

    fn hold_to_data(&mut self, line: usize, opening: &Opening) {
        let Some(data) = self.terms.data else { return };
        if opening.data_fingerprint != data.fingerprint {
            let what = "was trained on other data: its data_fingerprint is not that of the training shards given";
            self.blame(line, FaultKind::Data, what);
        }
        if opening.validation_fingerprint != data.validation_fingerprint {
            let what =
                "was judged on other data: its validation_fingerprint is not that of the validation shards given";
            self.blame(line, FaultKind::Data, what);
        }
        for (number, (stage, labels)) in opening.stages.iter().zip(data.labels).enumerate() {
            if stage.records != labels.len() as u64 {
                let (told, there) = (stage.records, labels.len());
                let what = format!("has {told} training records in stage {number}, but the data has {there}");
                self.blame(line, FaultKind::Data, what);
            }
        }
        if opening.validation_records != data.validation_records {
            let (told, there) = (opening.validation_records, data.validation_records);
            self.blame(line, FaultKind::Data, format!("has {told} validation records, but the data has {there}"));
        }
    }
}

/// 64 lowercase hex digits.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
