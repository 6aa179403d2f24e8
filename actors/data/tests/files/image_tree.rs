//! Image files by class, read directly: the file is the image, the folder the class, the path the id.

use std::fs;
use std::path::Path;

use fastgarden_data::catalog::find;
use fastgarden_data::columns::{Columns, find_overlap};
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::fault::FaultKind;
use fastgarden_data::index::Index;

use crate::helpers::with_record;

fn write(root: &Path, files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn open(root: &Path) -> (Index, Option<Index>) {
    let found = find(&[root.to_string_lossy().into_owned()], None).unwrap();
    let open = |files| Index::open(files, &InflateBudget::default()).unwrap();
    (open(found.train.as_ref().unwrap()), found.validation.as_ref().map(open))
}

#[test]
fn files_are_records() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("train/rose/2.jpg", b"second"), ("train/rose/1.jpg", b"first"), ("train/tulip/1.jpg", b"")]);
    let (index, _) = open(root.path());
    assert_eq!(index.len(), 3);
    assert!(!index.are_contiguous(0, 1));
    assert_eq!(index.frame_bytes(1), 6);
    with_record(&index, 1, |view| {
        let view = view.unwrap();
        assert_eq!((view.image, view.label, view.id), (Some(&b"second"[..]), Some(0), Some(&b"train/rose/2.jpg"[..])));
    });
    let columns = Columns::read(&index, &FeatureNames::default()).unwrap();
    assert_eq!(columns.labels, [Some(0), Some(0), Some(1)]);
    assert_eq!(columns.id(2), Some(&b"train/tulip/1.jpg"[..]));
}

#[test]
fn a_file_that_changes_after_indexing_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("rose/1.jpg", b"first")]);
    let (index, _) = open(root.path());
    write(root.path(), &[("rose/1.jpg", b"other")]);
    let bad = with_record(&index, 0, |view| view.unwrap_err());
    assert_eq!(bad.kind, FaultKind::DataCrcMismatch);
    assert_eq!(index.fault(0, bad).shard, "rose/1.jpg");
}

#[test]
fn the_same_name_in_both_splits_is_no_overlap_but_the_same_content_is() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("train/rose/1.jpg", b"one"), ("train/rose/2.jpg", b"two"), ("val/rose/1.jpg", b"three")]);
    let overlap = || {
        let (train, validation) = open(root.path());
        let validation = validation.unwrap();
        let columns = |index: &Index| Columns::read(index, &FeatureNames::default()).unwrap();
        find_overlap((&train, &columns(&train)), (&validation, &columns(&validation)))
    };
    assert_eq!(overlap(), None);
    write(root.path(), &[("val/rose/7.jpg", b"two")]);
    let found = overlap().unwrap();
    assert_eq!((found.train_record, found.validation_record, found.by), (1, 1, "content"));
}
