//! The canonical resolved form of a recipe. Written by hand rather than by a library, because the recipe's hash is
//! taken over it and must not change with a library's taste. Not here: reading it back.

use super::{
    BadRecords, Decode, EvaluationCrop, Normalize, OptimizerState, Recipe, Stage, augment, loss, net, optimizer,
    sampling,
};

/// Everything that the hash covers.
pub fn hashed_part(recipe: &Recipe) -> String {
    let mut lines = vec![
        format!("name = {}", quoted(&recipe.name)),
        format!("summary = {}", quoted(&recipe.summary)),
        format!("method = {}", quoted(&recipe.method)),
        format!("based_on = [{}]", joined(recipe.based_on.iter().map(|text| quoted(text)))),
        format!("why = {}", quoted(&recipe.why)),
        format!("data_note = {}", quoted(&recipe.data_note)),
    ];
    data_and_net(recipe, &mut lines);
    loss_and_optimizer(recipe, &mut lines);
    for each in &recipe.stages {
        stage(each, &mut lines);
    }
    let evaluation = &recipe.evaluation;
    let crop = match evaluation.crop {
        EvaluationCrop::Whole => "whole",
        EvaluationCrop::Largest => "largest",
    };
    lines.extend([
        "\n[evaluation]".to_owned(),
        format!("source_px = {}", evaluation.source_px),
        format!("crop = \"{crop}\""),
        format!("resize_px = {}", evaluation.resize_px),
        format!("input_px = {}", evaluation.input_px),
        format!("on = \"{}\"", evaluation.on),
        format!("limit = {}", evaluation.limit),
        "\n[runs]".to_owned(),
        format!("seeds = [{}]", joined(recipe.seeds.iter().map(u64::to_string))),
        "\n[checkpoint]".to_owned(),
        format!("every_steps = {}", recipe.checkpoint.every_steps),
        format!("every_seconds = {}", recipe.checkpoint.every_seconds),
        format!("keep = {}", recipe.checkpoint.keep),
    ]);
    lines.join("\n") + "\n"
}

/// `[execution]`, which the hash leaves out.
pub fn execution_part(recipe: &Recipe) -> String {
    let execution = &recipe.execution;
    let lines = [
        "\n[execution]".to_owned(),
        format!("cache = \"{}\"", execution.cache_name()),
        format!("cache_bytes = \"{}\"", execution.cache_bytes),
        format!("prefetch_batches = {}", execution.prefetch_batches),
        format!("cpu_threads = {}", execution.cpu_threads),
        format!("cpu_budget = \"{}\"", execution.cpu_budget),
    ];
    lines.join("\n") + "\n"
}

fn data_and_net(recipe: &Recipe, lines: &mut Vec<String>) {
    let data = &recipe.data;
    let bad_records = match data.bad_records {
        BadRecords::Percent(percent) => format!("{percent}%"),
        BadRecords::Count(count) => count.to_string(),
    };
    let decode = match data.decode {
        Decode::Strict => "strict",
        Decode::Lenient => "lenient",
    };
    let normalize = match data.normalize {
        Normalize::None => "none",
        Normalize::ImageNet => "imagenet",
    };
    lines.extend([
        "\n[data]".to_owned(),
        format!(
            "features = {{ image = {}, label = {}, id = {} }}",
            quoted(&data.image_feature),
            quoted(&data.label_feature),
            quoted(&data.id_feature)
        ),
        format!("classes = {}", data.classes),
        format!("resample = \"{}\"\ndecode = \"{decode}\"", data.resample.name()),
        format!("normalize = \"{normalize}\""),
        format!("bad_records = {}", quoted(&bad_records)),
    ]);
    lines.extend(net::lines(&recipe.net));
}

fn loss_and_optimizer(recipe: &Recipe, lines: &mut Vec<String>) {
    lines.extend(loss::lines(&recipe.net, &recipe.loss));
    lines.extend(optimizer::lines(&recipe.optimizer));
    lines.extend(optimizer::ema_lines(recipe.ema));
}

fn stage(stage: &Stage, lines: &mut Vec<String>) {
    let optimizer_state = match stage.optimizer_state {
        OptimizerState::Keep => "keep",
        OptimizerState::Reset => "reset",
    };
    lines.extend([
        "\n[[stage]]".to_owned(),
        format!("epochs = {}", stage.epochs),
        format!("source_px = {}", stage.source_px),
        format!("input_px = {}", stage.input_px),
        format!("batch_size = {}", stage.batch_size),
        format!("drop_last = {}", stage.drop_last),
    ]);
    lines.extend(sampling::lines(stage));
    lines.extend(augment::lines(stage));
    lines.extend(stage.lr.map(|lr| format!("lr = {lr:?}")));
    lines.extend([
        format!("schedule = {}", optimizer::schedule_value(&stage.schedule)),
        format!("optimizer_state = \"{optimizer_state}\""),
        format!("precision = \"{}\"", stage.precision.name()),
    ]);
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// A TOML basic string.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
