//! `[head]` and `[loss]`: what the net says of a picture, and what is minimised of it. Read, checked against each other and
//! the samplers, written back. Not here: the arithmetic (`fastgarden_train::loss`).

use fastgarden_train::loss::MetricLoss;
use fastgarden_train::net::embedding::EMBEDDING_MAX;

use super::check::{Check, POSITIVE, SHARE_BELOW_ONE};
use super::schema::{HeadToml, LossToml};
use super::validate::Checked;
use super::{Loss, Metric, Net, Stage};

/// Numbers of an embedding where a recipe says nothing: FaceNet's.
const EMBEDDING: i64 = 128;
/// What a metric loss weighs beside cross-entropy where a recipe says nothing.
const METRIC_WEIGHT: f64 = 0.5;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    CrossEntropy,
    Triplet,
    Contrastive,
}

const CLASSIFY: &str = "classify";
const CLASSIFY_AND_EMBED: &str = "classify_and_embed";
const CROSS_ENTROPY: &str = "cross_entropy";

impl Check<'_> {
    /// Numbers of the embedding, where there is such a head.
    pub fn head(&self, raw: HeadToml) -> Checked<Option<i64>> {
        let kinds = [(CLASSIFY, false), (CLASSIFY_AND_EMBED, true)];
        let embeds = self.choice("head.kind", raw.kind, Some(CLASSIFY), &kinds)?;
        self.foreign("head", CLASSIFY, &[("embedding", raw.embedding.is_some() && !embeds)])?;
        match embeds {
            true => self.integer("head.embedding", raw.embedding, Some(EMBEDDING), 1..=EMBEDDING_MAX).map(Some),
            false => Ok(None),
        }
    }

    /// The loss, by itself.
    pub fn loss(&self, raw: LossToml) -> Checked<Loss> {
        let kinds =
            [(CROSS_ENTROPY, Kind::CrossEntropy), ("triplet", Kind::Triplet), ("contrastive", Kind::Contrastive)];
        let kind = self.choice("loss.kind", raw.kind, Some(CROSS_ENTROPY), &kinds)?;
        let is_plain = kind == Kind::CrossEntropy;
        let given =
            [("margin", raw.margin.is_some() && is_plain), ("metric_weight", raw.metric_weight.is_some() && is_plain)];
        self.foreign("loss", CROSS_ENTROPY, &given)?;
        let label_smoothing = self.number("loss.label_smoothing", raw.label_smoothing, Some(0.1), &SHARE_BELOW_ONE)?;
        let margin = |default| self.number("loss.margin", raw.margin, Some(default), &POSITIVE);
        let loss = match kind {
            Kind::CrossEntropy => return Ok(Loss { label_smoothing, metric: None }),
            Kind::Triplet => MetricLoss::Triplet { margin: margin(0.3)? },
            Kind::Contrastive => MetricLoss::Contrastive { margin: margin(1.0)? },
        };
        let weight = self.number("loss.metric_weight", raw.metric_weight, Some(METRIC_WEIGHT), &POSITIVE)?;
        Ok(Loss { label_smoothing, metric: Some(Metric { loss, weight }) })
    }

    /// The loss has the head and the tickets that it is of.
    pub fn loss_fits(&self, loss: &Loss, net: &Net, stages: &[Stage]) -> Checked<()> {
        match (loss.metric, net.embedding) {
            (None, Some(_)) => {
                let sentence = format!(
                    "`head.kind` is \"{CLASSIFY_AND_EMBED}\", but nothing would train the embedding: `loss.kind` must be \
                     \"triplet\" or \"contrastive\""
                );
                return Err(self.wrong("head.kind", sentence));
            }
            (Some(metric), None) => {
                let sentence = format!(
                    "`loss.kind` is {:?}, a loss of embeddings: it needs `head.kind = \"{CLASSIFY_AND_EMBED}\"`",
                    metric.loss.name()
                );
                return Err(self.wrong("loss.kind", sentence));
            }
            _ => {}
        }
        for (number, stage) in stages.iter().enumerate() {
            self.sampler_fits(loss, stage, &format!("stage.{number}"))?;
        }
        Ok(())
    }

    fn sampler_fits(&self, loss: &Loss, stage: &Stage, at: &str) -> Checked<()> {
        let (kind, records) = (stage.sampler.kind(), stage.sampler.sampler.records_per_ticket());
        if let Some(metric) = loss.metric
            && metric.loss.records() != records
        {
            let (name, wanted) = (metric.loss.name(), metric.loss.records());
            let such = if wanted == 3 { "triplet" } else { "siamese" };
            let sentence = format!(
                "`{at}.sampler` {kind:?} makes tickets of {records} {}, but `loss.kind` {name:?} compares {wanted}: take the \
                 sampler \"{such}\", or \"file\" with {wanted} ids a ticket",
                if records == 1 { "record" } else { "records" }
            );
            return Err(self.wrong(&format!("{at}.sampler"), sentence));
        }
        if stage.mix.is_some() && records > 1 {
            let sentence = format!(
                "`{at}.mix` mixes pictures that share a class, but tickets of `{at}.sampler` {kind:?} show {records} records \
                 with a class each: leave one of the two out"
            );
            return Err(self.wrong(&format!("{at}.mix"), sentence));
        }
        Ok(())
    }
}

/// Both tables in their resolved form.
pub fn lines(net: &Net, loss: &Loss) -> Vec<String> {
    let head = match net.embedding {
        Some(size) => format!("\n[head]\nkind = \"{CLASSIFY_AND_EMBED}\"\nembedding = {size}"),
        None => format!("\n[head]\nkind = \"{CLASSIFY}\""),
    };
    let kind = loss.metric.map_or(CROSS_ENTROPY, |metric| metric.loss.name());
    let mut lines = vec![head, format!("\n[loss]\nkind = \"{kind}\"")];
    lines.push(format!("label_smoothing = {:?}", loss.label_smoothing));
    if let Some(metric) = loss.metric {
        lines.push(format!("margin = {:?}\nmetric_weight = {:?}", metric.loss.margin(), metric.weight));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;
    use crate::recipe::tests::SMALL;

    fn small(assignments: &[&str]) -> Result<Recipe, String> {
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        Recipe::from_text("small.toml", SMALL, &assignments).map_err(|error| error.to_string())
    }

    const TRIPLETS: [&str; 3] = ["head.kind=classify_and_embed", "loss.kind=triplet", "stage.0.sampler.kind=triplet"];

    #[test]
    fn two_heads_and_their_loss_have_defaults_and_read_back_as_they_are_written() {
        let recipe = small(&TRIPLETS).expect("valid");
        assert_eq!(recipe.net.embedding, Some(128));
        let metric = Metric { loss: MetricLoss::Triplet { margin: 0.3 }, weight: 0.5 };
        assert_eq!(recipe.loss, Loss { label_smoothing: 0.1, metric: Some(metric) });
        let pairs = [
            "head={kind=\"classify_and_embed\",embedding=64}",
            "loss={kind=\"contrastive\",margin=0.8,metric_weight=2,label_smoothing=0}",
            "stage.0.sampler.kind=siamese",
        ];
        let pairs = small(&pairs).expect("valid");
        let metric = Metric { loss: MetricLoss::Contrastive { margin: 0.8 }, weight: 2.0 };
        assert_eq!(pairs.loss, Loss { label_smoothing: 0.0, metric: Some(metric) });
        let plain = small(&[]).expect("valid");
        assert_eq!((plain.net.embedding, plain.loss.metric), (None, None));
        for recipe in [recipe, pairs, plain] {
            let again = Recipe::from_text("again.toml", &recipe.to_toml(), &[]).expect("valid");
            assert_eq!((&again, again.hash()), (&recipe, recipe.hash()));
        }
    }

    #[test]
    fn misfits_are_refused_by_key() {
        let with = |more: &[&'static str]| [&TRIPLETS, more].concat();
        let cases: &[(Vec<&str>, &str)] = &[
            (with(&["loss.kind=cross_entropy"]), "`head.kind` is \"classify_and_embed\", but nothing would train"),
            (with(&["head.kind=classify"]), "`loss.kind` is \"triplet\", a loss of embeddings: it needs `head.kind"),
            (
                with(&["stage.0.sampler.kind=shuffled"]),
                "`stage.0.sampler` \"shuffled\" makes tickets of 1 record, but `loss.kind` \"triplet\" compares 3: take \
                 the sampler \"triplet\"",
            ),
            (
                with(&["stage.0.sampler.kind=siamese"]),
                "`stage.0.sampler` \"siamese\" makes tickets of 2 records, but `loss.kind` \"triplet\" compares 3",
            ),
            (with(&["loss.kind=contrastive"]), "compares 2: take the sampler \"siamese\""),
            (with(&["stage.0.mix={kind=\"mixup\"}"]), "`stage.0.mix` mixes pictures that share a class"),
            (with(&["head.embedding=0"]), "`head.embedding` is 0: it must be a whole number from 1 to 8192"),
            (with(&["loss.margin=0"]), "`loss.margin` is 0: it must be a number above 0"),
            (with(&["loss.metric_weight=nan"]), "`loss.metric_weight` is NaN"),
            (vec!["head.embedding=8"], "`head.embedding` does not belong to kind \"classify\""),
            (vec!["loss.margin=1.0"], "`loss.margin` does not belong to kind \"cross_entropy\""),
            (vec!["loss.kind=tripplet"], "did you mean `triplet`?"),
        ];
        for (assignments, message) in cases {
            let error = small(assignments).expect_err(message);
            assert!(error.contains(message), "{error}\n  should say {message}");
        }
    }
}
