//! XResNet: ResNet with the tweaks of "Bag of Tricks for Image Classification" (He et al. 2018), as fastai builds it.
//!
//! Structure, keys, initial weights and arithmetic follow fastai's `XResNet`, so that its results can be compared number
//! by number. This file puts the parts together; what a part is stands in its own file.

use tch::{Device, Kind, Tensor};

use super::activation::Activation;
use super::attention::ATTENTIONS;
use super::block::{BLOCKS, BlockSpec, Place, ResidualBlock};
use super::embedding::{EMBEDDING_MAX, EmbeddingHead};
use super::head::LinearHead;
use super::part::{SpecError, checked, find, within};
use super::pool::POOLS;
use super::squeeze_excite::hidden_width;
use super::stem::StemSpec;
use super::{Layer, Net};
use crate::state::{StateBuilder, StateDict};

/// Widths of the four body stages, before expansion.
const STAGE_WIDTHS: [i64; 4] = [64, 128, 256, 512];
/// Index of the first body stage among the net's modules: three stem layers and the pool come before it.
const FIRST_STAGE: usize = 4;
/// Key of the classifier: after the stages, the pool, flatten and dropout.
const HEAD: &str = "11";
/// Key of the embedding head, which the references don't have.
pub(crate) const EMBEDDING: &str = "embedding";

/// Most blocks in one body stage.
pub const BLOCKS_MAX: i64 = 256;
/// Most outputs of a net.
pub const OUTPUTS_MAX: i64 = 1_000_000;
/// Largest reduction of squeeze-and-excite: as many channels as a net can have in the end.
pub const REDUCTION_MAX: i64 = 8_192;

/// What an XResNet is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XResNetSpec {
    /// The stem.
    pub stem: StemSpec,
    /// What stands between stem and body: a name from [`POOLS`].
    pub pool: &'static str,
    /// The residual block.
    pub block: BlockSpec,
    /// Blocks in each of the four body stages (widths 64, 128, 256, 512).
    pub layers: [i64; 4],
    /// Squeeze-and-excite with this reduction in the blocks; 0 = none.
    pub squeeze_excite: i64,
    /// One more module at the end of each branch: a name from [`ATTENTIONS`].
    pub attention: Option<&'static str>,
    /// Self-attention in the last block of this body stage, 0 to 3; fastai's `sa=True` is stage 0.
    pub self_attention: Option<i64>,
    /// The activation throughout.
    pub activation: Activation,
    /// Number of logits.
    pub outputs: i64,
    /// Numbers of the embedding that a second head makes of each view; `None` = there is no such head.
    pub embedding: Option<i64>,
}

impl XResNetSpec {
    /// Basic blocks, [2, 2, 2, 2].
    pub fn xresnet18(outputs: i64) -> Self {
        Self::plain("basic", [2, 2, 2, 2], outputs)
    }

    /// Basic blocks, [3, 4, 6, 3].
    pub fn xresnet34(outputs: i64) -> Self {
        Self::plain("basic", [3, 4, 6, 3], outputs)
    }

    /// Bottlenecks, [3, 4, 6, 3].
    pub fn xresnet50(outputs: i64) -> Self {
        Self::plain("bottleneck", [3, 4, 6, 3], outputs)
    }

    /// [`xresnet50`](Self::xresnet50) in 32 groups.
    pub fn xresnext50(outputs: i64) -> Self {
        let plain = Self::xresnet50(outputs);
        Self { block: BlockSpec { groups: 32, ..plain.block }, ..plain }
    }

    /// [`xresnet34`](Self::xresnet34) in 32 groups with squeeze-and-excite.
    pub fn xse_resnext34(outputs: i64) -> Self {
        let plain = Self::xresnet34(outputs);
        Self { block: BlockSpec { groups: 32, ..plain.block }, squeeze_excite: 16, ..plain }
    }

    /// [`xresnext50`](Self::xresnext50) with squeeze-and-excite.
    pub fn xse_resnext50(outputs: i64) -> Self {
        Self { squeeze_excite: 16, ..Self::xresnext50(outputs) }
    }

    fn plain(block: &str, layers: [i64; 4], outputs: i64) -> Self {
        Self {
            stem: StemSpec::new("conv", [32, 32, 64]),
            pool: "max",
            block: BlockSpec::new(block).expect("the block is in the table"),
            layers,
            squeeze_excite: 0,
            attention: None,
            self_attention: None,
            activation: Activation::Relu,
            outputs,
            embedding: None,
        }
    }

    /// Checks every number against its limits, and the parts against each other; what passes can be built.
    ///
    /// # Errors
    /// The first thing that doesn't fit, by the key that a recipe has it under.
    pub fn check(&self) -> Result<(), SpecError> {
        self.stem.check()?;
        find(POOLS, "pool", self.pool)?;
        self.block.check()?;
        for (stage, &blocks) in self.layers.iter().enumerate() {
            within(format!("layers.{stage}"), blocks, 1, BLOCKS_MAX)?;
        }
        within("squeeze_excite", self.squeeze_excite, 0, REDUCTION_MAX)?;
        if let Some(attention) = self.attention {
            find(ATTENTIONS, "attention", attention)?;
        }
        if let Some(stage) = self.self_attention {
            within("self_attention_stage", stage, 0, STAGE_WIDTHS.len() as i64 - 1)?;
        }
        within("outputs", self.outputs, 1, OUTPUTS_MAX)?;
        if let Some(size) = self.embedding {
            within("embedding", size, 1, EMBEDDING_MAX)?;
        }
        let block = find(BLOCKS, "block.kind", self.block.kind)?;
        for place in self.places() {
            (block.make.check)(&self.block, &place)?;
            self.check_squeeze_excite((block.make.squeezed)(&self.block, &place), place.stage)?;
        }
        Ok(())
    }

    fn check_squeeze_excite(&self, squeezed: Option<i64>, stage: usize) -> Result<(), SpecError> {
        let (Some(channels), reduction @ 1..) = (squeezed, self.squeeze_excite) else { return Ok(()) };
        if hidden_width(channels, reduction) > 0 {
            return Ok(());
        }
        let rule = format!(
            "is {reduction}: of the {channels} channels that it works on in body stage {stage} that leaves none; it must \
             be at most {channels}, or 0 for no squeeze-and-excite"
        );
        Err(SpecError::new("squeeze_excite", rule))
    }

    /// Smallest side of an image, pixels, that the net can take: the pooling needs something to blur.
    ///
    /// # Panics
    /// If [`check`](Self::check) would refuse the description.
    pub fn input_px_min(&self) -> i64 {
        // The stem halves, rounding up.
        2 * checked(POOLS, self.pool).make.side_min - 1
    }

    /// Every block's place, in order.
    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let mut channels_in = self.stem.widths[2];
        for (stage, width) in STAGE_WIDTHS.into_iter().enumerate() {
            for index in 0..self.layers[stage] {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                places.push(Place { stage, index, channels_in, width, stride });
                channels_in = width * self.block.expansion;
            }
        }
        places
    }
}

/// Stem → pool → four stages of residual blocks → classifier, and an embedding head beside it where one is wanted.
pub struct XResNet {
    body: Vec<Box<dyn Layer>>,
    classifier: LinearHead,
    embedder: Option<EmbeddingHead>,
    state: StateDict,
}

impl XResNet {
    /// A freshly initialised net: Kaiming-normal convolutions and heads (deconvolutions keep PyTorch's uniform
    /// values), biases 0, norm weights 1 except the last norm of each block, which starts at 0 like self-attention's
    /// gamma. Call `tch::manual_seed` first; a seed gives the same float32 values on every device, and the same body and
    /// classifier with an embedding head or without.
    ///
    /// # Panics
    /// If [`XResNetSpec::check`] would refuse the description.
    pub fn new(spec: &XResNetSpec, device: Device, kind: Kind) -> Self {
        spec.check().expect("the caller has checked the description of the net");
        let mut state = StateBuilder::new(device, kind);
        let mut body = spec.stem.build(&mut state, spec.activation);
        body.push((checked(POOLS, spec.pool).make.build)(&mut state, spec.stem.widths[2]));
        for place in spec.places() {
            let is_last = place.index + 1 == spec.layers[place.stage];
            let self_attention = is_last && spec.self_attention == Some(place.stage as i64);
            let key = format!("{}.{}", FIRST_STAGE + place.stage, place.index);
            body.push(state.within(key, |state| Box::new(ResidualBlock::new(state, spec, &place, self_attention))));
        }
        let channels = STAGE_WIDTHS[3] * spec.block.expansion;
        let classifier = state.within(HEAD, |state| LinearHead::new(state, channels, spec.outputs));
        let embedder =
            spec.embedding.map(|size| state.within(EMBEDDING, |state| EmbeddingHead::new(state, channels, size)));
        Self { body, classifier, embedder, state: state.finish() }
    }

    /// Logits `[N, outputs]` of one view `[N, 3, H, W]`, as [`Net::forward`] makes them of each.
    pub fn logits(&self, images: &Tensor, train: bool) -> Tensor {
        self.classifier.forward(&self.features(images, train), train)
    }

    /// What the body makes of images: the map that the heads look at.
    fn features(&self, images: &Tensor, train: bool) -> Tensor {
        let mut x = images.shallow_clone();
        for layer in &self.body {
            x = layer.forward(&x, train);
        }
        x
    }

    /// Logits, and the embedding where there is a head for it.
    fn heads(&self, images: &Tensor, train: bool) -> (Tensor, Option<Tensor>) {
        let map = self.features(images, train);
        (self.classifier.forward(&map, train), self.embedder.as_ref().map(|embedder| embedder.forward(&map, train)))
    }
}

impl Net for XResNet {
    /// The logits of each view, in their order; then, where the net has an embedding head, the embedding `[N, E]` of each.
    ///
    /// Views of one size go through the body together, as one batch: BatchNorm then measures all of them alike, where a pass
    /// for each would let it tell an anchor from a negative by their statistics. Views of different sizes can't be joined;
    /// they go one after the other, and each updates the running statistics.
    fn forward(&self, views: &[Tensor], train: bool) -> Vec<Tensor> {
        let mut of_views: Vec<Option<(Tensor, Option<Tensor>)>> = views.iter().map(|_| None).collect();
        while let Some(first) = of_views.iter().position(Option::is_none) {
            let alike: Vec<usize> =
                (first..views.len()).filter(|&at| views[at].size() == views[first].size()).collect();
            if let [only] = alike[..] {
                of_views[only] = Some(self.heads(&views[only], train));
                continue;
            }
            let joined = Tensor::cat(&alike.iter().map(|&at| &views[at]).collect::<Vec<_>>(), 0);
            let (logits, embeddings) = self.heads(&joined, train);
            let rows = views[first].size()[0];
            for (part, &at) in alike.iter().enumerate() {
                let of_part = |all: &Tensor| all.narrow(0, part as i64 * rows, rows);
                of_views[at] = Some((of_part(&logits), embeddings.as_ref().map(of_part)));
            }
        }
        let (logits, embeddings): (Vec<_>, Vec<_>) = of_views.into_iter().flatten().unzip();
        logits.into_iter().chain(embeddings.into_iter().flatten()).collect()
    }

    fn state(&self) -> &StateDict {
        &self.state
    }
}

#[cfg(test)]
mod tests;
