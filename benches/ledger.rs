//! What the ledger costs a training step: the line of a batch of 64, hashed, chained and written.
//! `cargo bench -p fastgarden-data --bench ledger`; to be held against the time of a batch (64 / images a second).
//! Not here: the hash of a row's pixels, which workers make while it is hot (`stages`).

use criterion::{Criterion, criterion_group, criterion_main};
use fastgarden_data::batch::RowDigest;
use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::ledger::Ledger;
use fastgarden_proto::ledger::Step;
use fastgarden_proto::ledger::line::Line;

const ROWS: u64 = 64;

fn ledger(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let mut ledger = Ledger::create(&folder.path().join("ledger.jsonl")).expect("the temporary folder is writable");
    let mut chain = BatchHash::default();
    let mut step = 0;
    criterion.bench_function("ledger/step_line", |bencher| {
        bencher.iter(|| {
            step += 1;
            let seq_from = step * ROWS;
            let row = |seq| RowDigest {
                seq,
                label: (seq % 104) as i64,
                hashes: [seq.wrapping_mul(0x9E37_79B9_7F4A_7C15); 3],
            };
            let rows: Vec<RowDigest> = (seq_from..seq_from + ROWS).map(row).collect();
            chain.update(&rows, 1);
            let line = Step {
                epoch: 1,
                step,
                seq_from,
                seq_to: seq_from + ROWS,
                batch_hash: chain.hex(),
                loss: Some(2.345_678_9 + step as f64 * 1e-7),
                applied: true,
                quarantined: Vec::new(),
            };
            ledger.append(&Line::Step(line)).expect("the temporary folder is writable");
        });
    });
}

criterion_group!(benches, ledger);
criterion_main!(benches);
