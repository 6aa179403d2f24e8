//! Finding data sets in every form that users have them in, and saying what is wrong where there is none.

use std::fs;
use std::path::Path;

use fastgarden_data::catalog::{Catalog, CatalogError, Split, SplitFiles, find};

/// Makes empty files, with the folders above them.
fn touch(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
}

fn find_in(path: &Path, source_px: Option<u32>) -> Result<Catalog, CatalogError> {
    find(&[path.to_string_lossy().into_owned()], source_px)
}

/// Base names of a split's shards.
fn names(catalog: &Catalog, split: Split) -> Vec<String> {
    match catalog.split(split) {
        Some(SplitFiles::Shards(paths)) => {
            paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        }
        Some(SplitFiles::Images(_)) => panic!("images, not shards"),
        None => Vec::new(),
    }
}

fn message(result: Result<Catalog, CatalogError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn one_folder_with_splits() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["train/b.tfrec", "train/a.tfrec", "valid/c.tfrecord", "test/d.tfrec", "notes.txt"]);
    let found = find_in(root.path(), Some(224)).unwrap();
    assert_eq!(names(&found, Split::Train), ["a.tfrec", "b.tfrec"]);
    assert_eq!(names(&found, Split::Validation), ["c.tfrecord"]);
    assert_eq!(names(&found, Split::Test), ["d.tfrec"]);
    assert!(found.description.contains("2 shards for train"), "{}", found.description);
}

#[test]
fn a_parent_of_sizes_is_picked_by_source_px() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["tfrecords-jpeg-192x192/train/a.tfrec", "tfrecords-jpeg-224x224/train/b.tfrec", "x.csv"]);
    assert_eq!(names(&find_in(root.path(), Some(224)).unwrap(), Split::Train), ["b.tfrec"]);
    let missing = message(find_in(root.path(), Some(331)));
    assert!(missing.contains("331") && missing.contains("192, 224"), "{missing}");
    assert!(message(find_in(root.path(), None)).contains("192, 224"));
    let inner = root.path().join("tfrecords-jpeg-192x192");
    assert_eq!(names(&find_in(&inner, Some(331)).unwrap(), Split::Train), ["a.tfrec"], "used whatever its size");
}

#[test]
fn a_flat_folder_is_split_by_file_names() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["train00-2071.tfrec", "flowers_val.tfrec", "test-1.tfrec", "other.tfrec"]);
    let found = find_in(root.path(), None).unwrap();
    assert_eq!(names(&found, Split::Train), ["other.tfrec", "train00-2071.tfrec"]);
    assert_eq!(names(&found, Split::Validation), ["flowers_val.tfrec"]);
    assert_eq!(names(&found, Split::Test), ["test-1.tfrec"]);
}

#[test]
fn patterns_and_single_files_are_split_by_name_and_folder() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["a/train/0.tfrec", "a/val/1.tfrec", "a/val/.hidden.tfrec", "a/val/2.tfrec.tmp", "b/3.tfrec"]);
    let pattern = root.path().join("a/*/*").to_string_lossy().into_owned();
    let found = find(std::slice::from_ref(&pattern), None).unwrap();
    assert_eq!(
        (names(&found, Split::Train), names(&found, Split::Validation)),
        (vec!["0.tfrec".into()], vec!["1.tfrec".into()])
    );
    let file = root.path().join("b/3.tfrec").to_string_lossy().into_owned();
    let both = find(&[pattern.clone(), file.clone(), file], None).unwrap();
    assert_eq!(names(&both, Split::Train), ["0.tfrec", "3.tfrec"]);
    let nothing = message(find(&[pattern.replace("/*/*", "/*/*.zip")], None));
    assert!(nothing.contains("quote it"), "{nothing}");
    assert!(matches!(find(&["/nowhere/[".into()], None), Err(CatalogError::BadPattern { .. })));
}

#[test]
fn links_are_followed_and_unfinished_files_ignored() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["real/train/a.tfrec", "data/.b.tfrec.1-2.tmp", "real/train/.c.tfrec"]);
    std::os::unix::fs::symlink(root.path().join("real/train"), root.path().join("data/train")).unwrap();
    assert_eq!(names(&find_in(&root.path().join("data"), None).unwrap(), Split::Train), ["a.tfrec"]);
    std::os::unix::fs::symlink(root.path().join("gone"), root.path().join("real/train/gone.tfrec")).unwrap();
    assert_eq!(names(&find_in(&root.path().join("real"), None).unwrap(), Split::Train), ["a.tfrec", "gone.tfrec"]);
}

#[test]
fn class_names_stand_beside_the_shards_or_above() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["set/tfrecords-jpeg-64x64/train/a.tfrec"]);
    let place = |name: &str, text: &str| fs::write(root.path().join("set").join(name), text).unwrap();
    place("classes.txt", "rose\r\nwild geranium\n\ntulip\n\n");
    let expected = ["rose", "wild geranium", "", "tulip"].map(str::to_owned).to_vec();
    assert_eq!(find_in(&root.path().join("set"), None).unwrap().class_names, Some(expected.clone()));
    let shard = root.path().join("set/tfrecords-jpeg-64x64/train/a.tfrec");
    assert_eq!(find_in(&shard, None).unwrap().class_names, Some(expected));
    place("tfrecords-jpeg-64x64/classes.txt", "nearer\n");
    assert_eq!(find_in(&shard, None).unwrap().class_names, Some(vec!["nearer".to_owned()]));
}

#[test]
fn trees_number_classes_by_name_over_all_splits() {
    let root = tempfile::tempdir().unwrap();
    touch(
        root.path(),
        &["train/tulip/2.jpg", "train/tulip/1.PNG", "train/aster/x.jpeg", "val/rose/3.jpg", "val/tulip/4.jpg"],
    );
    touch(root.path(), &["train/empty/readme.md"]);
    let found = find_in(root.path(), None).unwrap();
    assert_eq!(found.class_names.clone().unwrap(), ["aster", "rose", "tulip"]);
    let Some(SplitFiles::Images(tree)) = &found.train else { panic!("no tree") };
    let labels: Vec<_> = tree.classes.iter().map(|class| (class.name.as_str(), class.label)).collect();
    assert_eq!(labels, [("aster", 0), ("tulip", 2)]);
    assert_eq!(tree.classes[1].files, [Path::new("train/tulip/1.PNG"), Path::new("train/tulip/2.jpg")]);
    assert_eq!(found.validation.unwrap().len(), 2);
}

#[test]
fn a_tree_without_splits_is_for_training() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["rose/1.jpg", "tulip/2.jpg"]);
    let found = find_in(root.path(), None).unwrap();
    assert_eq!(found.train.as_ref().map(SplitFiles::len), Some(2));
    assert!(found.validation.is_none());
    let path = root.path().to_string_lossy().into_owned();
    assert!(matches!(find(&[path.clone(), path], None), Err(CatalogError::TreeAndMore { .. })));
}

#[test]
fn what_is_no_data_set_is_said_in_one_sentence() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["docs/readme.md", "docs/a.csv", "photos/1.jpg", "split/train/notes.txt"]);
    fs::create_dir(root.path().join("empty")).unwrap();
    fs::create_dir_all(root.path().join("hollow/train")).unwrap();
    let found = |name: &str| message(find_in(&root.path().join(name), None));
    assert!(found("none").contains("does not exist"));
    assert!(found("empty").contains("is empty"));
    assert!(found("hollow").contains("hollow/train is empty"));
    assert!(found("docs").contains("a.csv, readme.md"));
    assert!(found("photos").contains("without classes"));
    assert!(found("split").contains("notes.txt"));
    assert!(message(find(&[], None)).contains("--data"));
    assert!(message(find(&[" ".into()], None)).contains("--data"));
}
