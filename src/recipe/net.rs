//! `[net]`: read, checked and written back. Which parts there are, and which fit together, is known by the training
//! crate alone; its tables are asked here, so that a new part is a recipe's word without a change in this file.

use fastgarden_train::net::activation::Activation;
use fastgarden_train::net::attention::ATTENTIONS;
use fastgarden_train::net::block::{BLOCKS, BlockSpec};
use fastgarden_train::net::mk_block::Variant;
use fastgarden_train::net::part::{Part, SpecError, find};
use fastgarden_train::net::pool::POOLS;
use fastgarden_train::net::stem::{STEMS, StemSpec};
use fastgarden_train::net::xresnet::OUTPUTS_MAX;

use super::check::Check;
use super::schema::{BlockToml, NetToml, StemToml};
use super::validate::Checked;
use super::{Evaluation, Net, Stage};

/// The word for no attention module.
const NONE: &str = "none";

impl Check<'_> {
    /// The net; all of its parts fit together.
    pub fn net(&self, raw: NetToml, classes: u32) -> Checked<Net> {
        self.choice("net.kind", raw.kind, None, &[("xresnet", ())])?;
        let outputs = self.integer("net.outputs", raw.outputs, Some(i64::from(classes)), 1..=OUTPUTS_MAX)?;
        if outputs < i64::from(classes) {
            let sentence = format!("`net.outputs` is {outputs}: it must be at least `data.classes`, {classes}");
            return Err(self.wrong("net.outputs", sentence));
        }
        let mut attentions: Vec<_> = words(ATTENTIONS).into_iter().map(|(word, name)| (word, Some(name))).collect();
        attentions.insert(0, (NONE, None));
        let net = Net {
            stem: self.stem(raw.stem.unwrap_or_default())?,
            pool: self.choice("net.pool", raw.pool, Some("max"), &words(POOLS))?,
            block: self.block(raw.block.unwrap_or_default())?,
            layers: self.exactly("net.layers", raw.layers)?,
            squeeze_excite: raw.squeeze_excite.unwrap_or(0),
            attention: self.choice("net.attention", raw.attention, Some(NONE), &attentions)?,
            self_attention: self.self_attention(raw.self_attention.unwrap_or(false), raw.self_attention_stage)?,
            activation: self.choice("net.activation", raw.activation, Some("relu"), Activation::ALL)?,
            outputs,
            // `[head]` says.
            embedding: None,
        };
        net.check().map_err(|SpecError { key, rule }| {
            let path = format!("net.{key}");
            self.wrong(&path, format!("`{path}` {rule}"))
        })?;
        Ok(net)
    }

    fn stem(&self, raw: StemToml) -> Checked<StemSpec> {
        let kind = self.choice("net.stem.kind", raw.kind, Some("conv"), &words(STEMS))?;
        let given = [
            // False is what a stem without weights to normalise has anyway.
            ("weight_norm", raw.weight_norm == Some(true)),
            ("iterations", raw.iterations.is_some()),
            ("freeze_after", raw.freeze_after.is_some()),
        ];
        self.foreign_settings("net.stem", kind, reads(STEMS, kind), &given)?;
        let widths = raw.widths.map_or(Ok([32, 32, 64]), |widths| self.exactly("net.stem.widths", Some(widths)))?;
        let mut stem = StemSpec { weight_norm: raw.weight_norm.unwrap_or(false), ..StemSpec::new(kind, widths) };
        if raw.iterations.is_some() {
            stem.iterations = self.exactly("net.stem.iterations", raw.iterations)?;
        }
        if raw.freeze_after.is_some() {
            stem.freeze_after = self.exactly("net.stem.freeze_after", raw.freeze_after)?;
        }
        Ok(stem)
    }

    fn block(&self, raw: BlockToml) -> Checked<BlockSpec> {
        let kind = self.choice("net.block.kind", raw.kind, None, &words(BLOCKS))?;
        let reads = reads(BLOCKS, kind);
        let given = [("variant", raw.variant.is_some()), ("kernels", raw.kernels.is_some())];
        self.foreign_settings("net.block", kind, reads, &given)?;
        let mut block = BlockSpec::new(kind).expect("the kind is from the table");
        block.groups = raw.groups.unwrap_or(block.groups);
        block.expansion = raw.expansion.unwrap_or(block.expansion);
        if reads.contains(&"variant") {
            block.variant = self.choice("net.block.variant", raw.variant, None, Variant::ALL)?;
        }
        if reads.contains(&"kernels") {
            block.kernels = self.required("net.block.kernels", raw.kernels)?;
        }
        Ok(block)
    }

    /// The body stage with self-attention.
    fn self_attention(&self, wanted: bool, stage: Option<i64>) -> Checked<Option<i64>> {
        match (wanted, stage) {
            (true, stage) => Ok(Some(stage.unwrap_or(0))),
            (false, None) => Ok(None),
            (false, Some(_)) => {
                let path = "net.self_attention_stage";
                let sentence =
                    format!("`{path}` says where, but there is no `net.self_attention = true`: leave it out");
                Err(self.wrong(path, sentence))
            }
        }
    }

    fn foreign_settings(&self, at: &str, kind: &str, reads: &[&str], given: &[(&str, bool)]) -> Checked<()> {
        let foreign: Vec<_> = given.iter().filter(|(key, _)| !reads.contains(key)).copied().collect();
        self.foreign(at, kind, &foreign)
    }

    /// Every picture that the recipe makes is large enough for the net.
    pub fn input_sizes(&self, net: &Net, stages: &[Stage], evaluation: &Evaluation) -> Checked<()> {
        let of_stages = stages.iter().enumerate().flat_map(|(index, stage)| stage.sides(&format!("stage.{index}")));
        let least = net.input_px_min();
        for (path, side) in of_stages.chain([("evaluation.input_px".to_owned(), evaluation.input_px)]) {
            if i64::from(side) < least {
                let sentence = format!("`{path}` is {side}: `net.pool`, {:?}, needs at least {least}", net.pool);
                return Err(self.wrong(&path, sentence));
            }
        }
        Ok(())
    }
}

/// The names of a table, each for itself.
fn words<M>(table: &[&'static Part<M>]) -> Vec<(&'static str, &'static str)> {
    table.iter().map(|part| (part.name, part.name)).collect()
}

/// The settings that a kind reads.
fn reads<M>(table: &[&'static Part<M>], kind: &str) -> &'static [&'static str] {
    find(table, "", kind).map_or(&[], |part| part.settings)
}

/// `[net]` with every key that its parts read.
pub fn lines(net: &Net) -> Vec<String> {
    let mut stem = vec![format!("kind = \"{}\", widths = {:?}", net.stem.kind, net.stem.widths)];
    for setting in reads(STEMS, net.stem.kind) {
        stem.push(match *setting {
            "weight_norm" => format!("weight_norm = {}", net.stem.weight_norm),
            "iterations" => format!("iterations = {:?}", net.stem.iterations),
            "freeze_after" => format!("freeze_after = {:?}", net.stem.freeze_after),
            other => unreachable!("a stem reads {other}, which recipes don't have"),
        });
    }
    let mut block = vec![format!("kind = \"{}\"", net.block.kind)];
    for setting in reads(BLOCKS, net.block.kind) {
        block.push(match *setting {
            "variant" => format!("variant = \"{}\"", net.block.variant.name()),
            "kernels" => format!("kernels = {:?}", net.block.kernels),
            other => unreachable!("a block reads {other}, which recipes don't have"),
        });
    }
    let mut lines = vec![
        "\n[net]\nkind = \"xresnet\"".to_owned(),
        format!("stem = {{ {} }}", stem.join(", ")),
        format!("pool = \"{}\"", net.pool),
        format!(
            "block = {{ {}, groups = {}, expansion = {} }}",
            block.join(", "),
            net.block.groups,
            net.block.expansion
        ),
        format!("layers = {:?}", net.layers),
        format!("squeeze_excite = {}", net.squeeze_excite),
        format!("attention = \"{}\"", net.attention.unwrap_or(NONE)),
        format!("self_attention = {}", net.self_attention.is_some()),
    ];
    lines.extend(net.self_attention.map(|stage| format!("self_attention_stage = {stage}")));
    lines.push(format!("activation = \"{}\"", net.activation.name()));
    lines.push(format!("outputs = {}", net.outputs));
    lines
}

#[cfg(test)]
mod tests;
