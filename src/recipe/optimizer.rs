//! `[optimizer]` and `stage.schedule`: read, checked and written back.
//! Not here: what they do (the training crate's `optimizer` and `schedule`).

use fastgarden_train::net::Net as _;
use fastgarden_train::net::xresnet::{XResNet, XResNetSpec};
use fastgarden_train::optimizer::{
    AdamOptions, GroupRule, Groups, LookaheadOptions, MuonOptions, RAdamOptions, SgdOptions,
};
use fastgarden_train::schedule::{FINAL_DIVISOR, START_DIVISOR, Schedule};
use fastgarden_train::trainer::{EmaSpec, OptimizerSpec};

use super::check::{Check, NOT_NEGATIVE, POSITIVE, SHARE_ABOVE_ZERO, SHARE_BELOW_ONE};
use super::schema::{EmaToml, GroupToml, OptimizerToml, ScheduleToml};
use super::validate::Checked;
use super::write::quoted;

/// `[optimizer]`
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// Base learning rate, > 0.
    pub lr: f64,
    /// Gradients of a larger norm over all parameters are shrunk to it; > 0.
    pub clip_norm: Option<f64>,
    /// Parameters that are stepped otherwise than the rest; each fits some that no earlier one does.
    pub groups: Vec<GroupRule>,
    /// Which optimiser, with its other settings.
    pub spec: OptimizerSpec,
}

/// Entries of `[[optimizer.group]]`.
const GROUPS_MAX: usize = 100;

/// Fast steps between Lookahead's synchronisations.
const LOOKAHEAD_STEPS_MAX: i64 = 1_000_000;

#[derive(Clone, Copy)]
enum Kind {
    Sgd,
    Adam,
    AdamW,
    RAdam,
    Ranger,
    Muon,
}

/// Each kind's word and the keys that not all kinds read.
const KINDS: [(&str, Kind, &[&str]); 6] = [
    ("sgd", Kind::Sgd, &["momentum", "nesterov"]),
    ("adam", Kind::Adam, &["beta1", "beta2", "eps"]),
    ("adamw", Kind::AdamW, &["beta1", "beta2", "eps"]),
    ("radam", Kind::RAdam, &["beta1", "beta2", "eps"]),
    ("ranger", Kind::Ranger, &["beta1", "beta2", "eps", "lookahead_steps", "lookahead_alpha"]),
    ("muon", Kind::Muon, &["momentum", "beta1", "beta2", "eps", "aux_lr_factor"]),
];

impl Check<'_> {
    /// The optimiser. Only the keys of its kind may be given.
    pub fn optimizer(&self, raw: OptimizerToml) -> Checked<Optimizer> {
        let word = raw.kind.clone();
        let kinds = KINDS.map(|(word, kind, keys)| (word, (word, kind, keys)));
        let (word, kind, keys) = self.choice("optimizer.kind", word, None, &kinds)?;
        let given = [
            ("momentum", raw.momentum.is_some()),
            ("nesterov", raw.nesterov.is_some()),
            ("beta1", raw.beta1.is_some()),
            ("beta2", raw.beta2.is_some()),
            ("eps", raw.eps.is_some()),
            ("lookahead_steps", raw.lookahead_steps.is_some()),
            ("lookahead_alpha", raw.lookahead_alpha.is_some()),
            ("aux_lr_factor", raw.aux_lr_factor.is_some()),
        ]
        .map(|(key, is_given)| (key, is_given && !keys.contains(&key)));
        self.foreign("optimizer", word, &given)?;
        let lr = self.number("optimizer.lr", raw.lr, None, &POSITIVE)?;
        let spec = match kind {
            Kind::Sgd => OptimizerSpec::Sgd(self.sgd(&raw)?),
            Kind::Adam => {
                OptimizerSpec::Adam(self.adam(&raw, AdamOptions { coupled_decay: true, ..AdamOptions::default() })?)
            }
            Kind::AdamW => OptimizerSpec::Adam(self.adam(&raw, AdamOptions::default())?),
            Kind::RAdam => OptimizerSpec::RAdam(self.radam(&raw)?),
            Kind::Ranger => OptimizerSpec::Ranger(self.radam(&raw)?, self.lookahead(&raw)?),
            Kind::Muon => OptimizerSpec::Muon(self.muon(&raw)?),
        };
        let clip_norm = raw.clip_norm.map(|norm| self.number("optimizer.clip_norm", Some(norm), None, &POSITIVE));
        Ok(Optimizer {
            lr,
            clip_norm: clip_norm.transpose()?,
            groups: self.groups(raw.group.unwrap_or_default())?,
            spec,
        })
    }

    /// The running mean of the weights.
    pub fn ema(&self, raw: EmaToml) -> Checked<EmaSpec> {
        let decay = self.number("ema.decay", raw.decay, None, &SHARE_BELOW_ONE)?;
        Ok(EmaSpec { decay, evaluate: raw.evaluate.unwrap_or(true) })
    }

    fn groups(&self, raw: Vec<GroupToml>) -> Checked<Vec<GroupRule>> {
        if raw.len() > GROUPS_MAX {
            let sentence =
                format!("there must be at most {GROUPS_MAX} `[[optimizer.group]]` entries, not {}", raw.len());
            return Err(self.wrong("optimizer.group", sentence));
        }
        let group = |(index, raw): (usize, GroupToml)| {
            let key = |name: &str| format!("optimizer.group.{index}.{name}");
            Ok(GroupRule {
                pattern: self.required(&key("match"), raw.r#match)?,
                lr_factor: self.number(&key("lr_factor"), raw.lr_factor, Some(1.0), &NOT_NEGATIVE)?,
                decay: raw.decay,
            })
        };
        raw.into_iter().enumerate().map(group).collect()
    }

    /// Refuses a group that no parameter of the net goes by.
    pub fn groups_fit(&self, net: &XResNetSpec, groups: &[GroupRule]) -> Checked<()> {
        if groups.is_empty() {
            return Ok(());
        }
        // What a net's parameters are called is known when it is built; only recipes with groups pay for that.
        let built = XResNet::new(net, tch::Device::Cpu, tch::Kind::Float);
        let Err(idle) = Groups::by_rules(built.state(), groups) else { return Ok(()) };
        let key = format!("optimizer.group.{idle}.match");
        let keys: Vec<&str> = built.state().parameters().map(|entry| entry.key.as_str()).collect();
        let (first, last) = (keys[0], keys[keys.len() - 1]);
        let sentence = format!(
            "`{key}` is {:?}, which no parameter fits that isn't in an earlier group: they are called `{first}` to \
             `{last}`, and `*` stands for any part of a name",
            groups[idle].pattern
        );
        Err(self.wrong(&key, sentence))
    }

    fn sgd(&self, raw: &OptimizerToml) -> Checked<SgdOptions> {
        let usual = SgdOptions::default();
        Ok(SgdOptions {
            momentum: self.number("optimizer.momentum", raw.momentum, Some(usual.momentum), &SHARE_BELOW_ONE)?,
            nesterov: raw.nesterov.unwrap_or(usual.nesterov),
            weight_decay: self.weight_decay(raw, usual.weight_decay)?,
        })
    }

    fn adam(&self, raw: &OptimizerToml, usual: AdamOptions) -> Checked<AdamOptions> {
        // As torch's constructors have it: Adam doesn't decay unless asked to.
        let decay = if usual.coupled_decay { 0.0 } else { usual.weight_decay };
        Ok(AdamOptions {
            betas: self.betas(raw, usual.betas)?,
            eps: self.number("optimizer.eps", raw.eps, Some(usual.eps), &POSITIVE)?,
            weight_decay: self.weight_decay(raw, decay)?,
            ..usual
        })
    }

    fn radam(&self, raw: &OptimizerToml) -> Checked<RAdamOptions> {
        let usual = RAdamOptions::default();
        Ok(RAdamOptions {
            betas: self.betas(raw, usual.betas)?,
            eps: self.number("optimizer.eps", raw.eps, Some(usual.eps), &POSITIVE)?,
            weight_decay: self.weight_decay(raw, usual.weight_decay)?,
        })
    }

    fn muon(&self, raw: &OptimizerToml) -> Checked<MuonOptions> {
        let usual = MuonOptions::default();
        let factor = ("optimizer.aux_lr_factor", raw.aux_lr_factor, Some(usual.aux_lr_factor));
        // One decay for filters and everything else that decays.
        let aux = self.adam(raw, usual.aux)?;
        Ok(MuonOptions {
            momentum: self.number("optimizer.momentum", raw.momentum, Some(usual.momentum), &SHARE_BELOW_ONE)?,
            weight_decay: aux.weight_decay,
            aux,
            aux_lr_factor: self.number(factor.0, factor.1, factor.2, &POSITIVE)?,
        })
    }

    fn lookahead(&self, raw: &OptimizerToml) -> Checked<LookaheadOptions> {
        let usual = LookaheadOptions::default();
        let (steps, alpha) = ("optimizer.lookahead_steps", "optimizer.lookahead_alpha");
        Ok(LookaheadOptions {
            steps: self.integer(steps, raw.lookahead_steps, Some(usual.steps), 1..=LOOKAHEAD_STEPS_MAX)?,
            alpha: self.number(alpha, raw.lookahead_alpha, Some(usual.alpha), &SHARE_ABOVE_ZERO)?,
        })
    }

    fn betas(&self, raw: &OptimizerToml, usual: (f64, f64)) -> Checked<(f64, f64)> {
        Ok((
            self.number("optimizer.beta1", raw.beta1, Some(usual.0), &SHARE_BELOW_ONE)?,
            self.number("optimizer.beta2", raw.beta2, Some(usual.1), &SHARE_BELOW_ONE)?,
        ))
    }

    fn weight_decay(&self, raw: &OptimizerToml, usual: f64) -> Checked<f64> {
        self.number("optimizer.weight_decay", raw.weight_decay, Some(usual), &NOT_NEGATIVE)
    }

    /// A stage's schedule. Only the keys of its kind may be given.
    pub fn schedule(&self, at: &str, raw: ScheduleToml) -> Checked<Schedule> {
        type Flat = fn(f64) -> Schedule;
        let flat: [(&str, Option<Flat>); 5] = [
            ("constant", None),
            ("flat_cos", Some(Schedule::flat_cos)),
            ("one_cycle", None),
            ("linear", Some(|flat_share| Schedule::Linear { flat_share })),
            ("rex", Some(|flat_share| Schedule::Rex { flat_share })),
        ];
        let kinds = flat.map(|(word, make)| (word, (word, make)));
        let (word, make) = self.choice(&format!("{at}.kind"), raw.kind, Some("flat_cos"), &kinds)?;
        let is_cycle = word == "one_cycle";
        let given = [
            ("flat_share", raw.flat_share.is_some() && make.is_none()),
            ("rise_share", raw.rise_share.is_some() && !is_cycle),
            ("start_divisor", raw.start_divisor.is_some() && !is_cycle),
            ("momentum_high", raw.momentum_high.is_some() && !is_cycle),
            ("momentum_low", raw.momentum_low.is_some() && !is_cycle),
        ];
        self.foreign(at, word, &given)?;
        let share = |key: &str, value, usual| self.number(&format!("{at}.{key}"), value, Some(usual), &SHARE_BELOW_ONE);
        if let Some(make) = make {
            // A straight line or REX falls from the start unless told otherwise.
            return Ok(make(share("flat_share", raw.flat_share, if word == "flat_cos" { 0.75 } else { 0.0 })?));
        }
        if !is_cycle {
            return Ok(Schedule::Constant);
        }
        let start_divisor =
            self.number(&format!("{at}.start_divisor"), raw.start_divisor, Some(START_DIVISOR), &POSITIVE)?;
        let high = share("momentum_high", raw.momentum_high, 0.95)?;
        let low = share("momentum_low", raw.momentum_low, 0.85)?;
        Ok(Schedule::OneCycle {
            rise_share: share("rise_share", raw.rise_share, 0.25)?,
            start_divisor,
            final_divisor: FINAL_DIVISOR,
            momentum: (high, low),
        })
    }
}

/// `[optimizer]` in its resolved form.
pub fn lines(optimizer: &Optimizer) -> Vec<String> {
    let mut lines = vec!["\n[optimizer]".to_owned()];
    let mut adam = |kind: &str, (beta1, beta2): (f64, f64), eps: f64, decay: f64| {
        lines.push(format!("kind = \"{kind}\"\nlr = {:?}\nbeta1 = {beta1:?}\nbeta2 = {beta2:?}", optimizer.lr));
        lines.push(format!("eps = {eps:?}\nweight_decay = {decay:?}"));
    };
    match optimizer.spec {
        OptimizerSpec::Sgd(SgdOptions { momentum, nesterov, weight_decay }) => lines.extend([
            format!("kind = \"sgd\"\nlr = {:?}\nmomentum = {momentum:?}", optimizer.lr),
            format!("nesterov = {nesterov}\nweight_decay = {weight_decay:?}"),
        ]),
        OptimizerSpec::Adam(AdamOptions { betas, eps, weight_decay, coupled_decay }) => {
            adam(if coupled_decay { "adam" } else { "adamw" }, betas, eps, weight_decay);
        }
        OptimizerSpec::RAdam(RAdamOptions { betas, eps, weight_decay }) => adam("radam", betas, eps, weight_decay),
        OptimizerSpec::Ranger(RAdamOptions { betas, eps, weight_decay }, LookaheadOptions { steps, alpha }) => {
            adam("ranger", betas, eps, weight_decay);
            lines.push(format!("lookahead_steps = {steps}\nlookahead_alpha = {alpha:?}"));
        }
        OptimizerSpec::Muon(MuonOptions { momentum, weight_decay, aux, aux_lr_factor }) => {
            adam("muon", aux.betas, aux.eps, weight_decay);
            lines.push(format!("momentum = {momentum:?}\naux_lr_factor = {aux_lr_factor:?}"));
        }
    }
    // Without clipping there is no such key: no number means none.
    lines.extend(optimizer.clip_norm.map(|norm| format!("clip_norm = {norm:?}")));
    for GroupRule { pattern, lr_factor, decay } in &optimizer.groups {
        lines.push(format!("\n[[optimizer.group]]\nmatch = {}\nlr_factor = {lr_factor:?}", quoted(pattern)));
        lines.extend(decay.map(|decay| format!("decay = {decay}")));
    }
    lines
}

/// `[ema]` in its resolved form; without a mean there is no such table.
pub fn ema_lines(ema: Option<EmaSpec>) -> Option<String> {
    ema.map(|EmaSpec { decay, evaluate }| format!("\n[ema]\ndecay = {decay:?}\nevaluate = {evaluate}"))
}

/// The value of `schedule` in its resolved form.
pub fn schedule_value(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Constant => "{ kind = \"constant\" }".to_owned(),
        Schedule::FlatCos { flat_share, .. } => format!("{{ kind = \"flat_cos\", flat_share = {flat_share:?} }}"),
        Schedule::Linear { flat_share } => format!("{{ kind = \"linear\", flat_share = {flat_share:?} }}"),
        Schedule::Rex { flat_share } => format!("{{ kind = \"rex\", flat_share = {flat_share:?} }}"),
        Schedule::OneCycle { rise_share, start_divisor, momentum: (high, low), .. } => format!(
            "{{ kind = \"one_cycle\", rise_share = {rise_share:?}, start_divisor = {start_divisor:?}, \
             momentum_high = {high:?}, momentum_low = {low:?} }}"
        ),
    }
}
