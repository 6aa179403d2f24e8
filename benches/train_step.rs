//! One side of the comparison with PyTorch eager: trains one of the five systems on one batch that never changes, when
//! told to. Not a criterion bench: `benches/peers/train_step.py` starts it and lets it and PyTorch's side take turns.
//!
//! It prints a line of JSON when it is ready, and one for each line `run N` on its standard input: seconds and loss of
//! each of N steps, and the peak of the resident memory so far. It ends with its input.

use std::error::Error;
use std::io::BufRead;
use std::time::Instant;

use fastgarden_train::loss::{CrossEntropy, Objective, Targets};
use fastgarden_train::net::Net;
use fastgarden_train::net::activation::Activation;
use fastgarden_train::net::block::BlockSpec;
use fastgarden_train::net::mk_block::Variant;
use fastgarden_train::net::stem::StemSpec;
use fastgarden_train::net::xresnet::{XResNet, XResNetSpec};
use fastgarden_train::optimizer::{LookaheadOptions, Optimizer, RAdamOptions, Ranger};
use tch::{Device, Kind, Tensor};

type Fallible<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: train_step SYSTEM(1-5) THREADS ROWS PIXELS contiguous|channels_last WEIGHTS_FILE\n\
                     (started by benches/peers/train_step.py)";

/// What a row of the leaderboard trains with.
struct System {
    net: XResNetSpec,
    label_smoothing: f64,
    lr: f64,
}

/// The row of this number, 1 to 5.
fn system(number: &str) -> Option<System> {
    let resnet = |outputs| XResNetSpec {
        self_attention: Some(0),
        activation: Activation::Mish,
        ..XResNetSpec::xresnet50(outputs)
    };
    let multi_kernel = |stem, variant| {
        let kernels = vec![vec![3, 5], vec![3, 5, 7, 9], vec![3, 5, 7, 9], vec![3, 5]];
        let block = BlockSpec { variant, kernels, ..BlockSpec::new("mk").expect("a kind of block") };
        XResNetSpec { stem, block, squeeze_excite: 16, ..resnet(104) }
    };
    let (net, label_smoothing, lr) = match number {
        "1" => {
            let stem = StemSpec { weight_norm: true, ..StemSpec::new("deconv", [24, 32, 64]) };
            (multi_kernel(stem, Variant::F), 0.1, 8e-3)
        }
        "2" => (multi_kernel(StemSpec::new("conv", [24, 32, 64]), Variant::E), 0.1, 8e-3),
        "3" => {
            let like = XResNetSpec::xse_resnext34(104);
            let net = XResNetSpec {
                stem: StemSpec::new("deconv", [32, 32, 64]),
                pool: "max_blur_2020",
                block: BlockSpec { groups: 64, ..like.block },
                squeeze_excite: 8,
                ..resnet(104)
            };
            (XResNetSpec { layers: like.layers, ..net }, 0.05, 1e-2)
        }
        "4" => (resnet(1000), 0.0, 6e-3),
        "5" => (resnet(1000), 0.1, 1e-2),
        _ => return None,
    };
    Some(System { net, label_smoothing, lr })
}

/// A field of this process's status, bytes.
fn status_bytes(field: &str) -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(field)).ok_or("no such field in the process's status")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("a field without a value")?.parse()?;
    Ok(kib * 1024)
}

/// User and system time of this process, seconds, in the kernel's steps of a hundredth.
fn cpu_seconds() -> Fallible<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may hold spaces; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').ok_or("the process's statistics lack a name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? as f64 / 100.0)
}

/// The kernel forgets the highest resident memory so far.
fn reset_peak() -> Fallible<()> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

/// Loads what every net uses and starts the threads, so that the memory of that is not counted.
fn warm_up() {
    let x = Tensor::rand([2, 8, 32, 32], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let weight = Tensor::rand([8, 8, 3, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let y = x.conv2d(&weight, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1).flatten(1, -1);
    y.matmul(&y.tr()).mean(Kind::Float).backward();
}

struct Training {
    net: XResNet,
    optimizer: Ranger,
    images: Tensor,
    targets: Targets,
    objective: CrossEntropy,
    lr: f64,
}

impl Training {
    /// The net and one random batch; both are left in `weights` for the other side to begin from.
    fn new(system: System, (rows, pixels): (i64, i64), channels_last: bool, weights: &str) -> Fallible<Self> {
        tch::manual_seed(1);
        let net = XResNet::new(&system.net, Device::Cpu, Kind::Float);
        let images = Tensor::rand([rows, 3, pixels, pixels], (Kind::Float, Device::Cpu));
        let labels = Tensor::randint(system.net.outputs, [rows], (Kind::Int64, Device::Cpu));
        {
            let _guard = tch::no_grad_guard();
            let entries = net.state().entries().iter().map(|entry| (entry.key.as_str(), entry.tensor.shallow_clone()));
            let batch = [("images", images.shallow_clone()), ("labels", labels.shallow_clone())];
            Tensor::write_safetensors(&entries.chain(batch).collect::<Vec<_>>(), weights)?;
        }
        let images = if channels_last { nhwc(&images) } else { images };
        if channels_last {
            net.state().to_channels_last();
        }
        let mut optimizer = Ranger::ranger(net.state(), RAdamOptions::default(), LookaheadOptions::default());
        optimizer.flat_mut().lay_out(net.state());
        let objective = CrossEntropy { label_smoothing: system.label_smoothing };
        Ok(Self { net, optimizer, images, targets: Targets::Classes(labels), objective, lr: system.lr })
    }

    /// What the trainer does with a batch that is on its device; the loss is fetched every time, as in PyTorch.
    fn step(&mut self) -> f64 {
        let loss = self.objective.loss(&self.net.forward(std::slice::from_ref(&self.images), true), &self.targets);
        let gradient = self.optimizer.flat_mut().backward(&loss, self.net.state());
        self.optimizer.step_with(gradient, self.lr.into(), None);
        loss.double_value(&[])
    }
}

fn nhwc(images: &Tensor) -> Tensor {
    images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

fn serve(arguments: &[String]) -> Fallible<()> {
    let [number, threads, rows, pixels, layout, weights] = arguments else { return Err(USAGE.into()) };
    let system = system(number).ok_or(USAGE)?;
    tch::set_num_threads(threads.parse()?);
    warm_up();
    let before_bytes = status_bytes("VmRSS")?;
    let mut training = Training::new(system, (rows.parse()?, pixels.parse()?), layout == "channels_last", weights)?;
    reset_peak()?;
    let parameters = training.net.state().parameter_count();
    println!("{}", serde_json::json!({ "parameters": parameters, "before_bytes": before_bytes }));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let count: u32 = line.strip_prefix("run ").ok_or("a line that is not `run N`")?.parse()?;
        let (mut seconds, mut losses, cpu_begun) = (Vec::new(), Vec::new(), cpu_seconds()?);
        for _ in 0..count {
            let begun = Instant::now();
            losses.push(training.step());
            seconds.push(begun.elapsed().as_secs_f64());
        }
        let answer = serde_json::json!({
            "seconds": seconds,
            "cpu_seconds": cpu_seconds()? - cpu_begun,
            "losses": losses,
            "peak_bytes": status_bytes("VmHWM")?,
        });
        println!("{answer}");
    }
    Ok(())
}

fn main() -> Fallible<()> {
    // `cargo bench` adds this to every bench's arguments; by itself there is nothing to measure.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.is_empty() {
        println!("{USAGE}");
        return Ok(());
    }
    serve(&arguments)
}
