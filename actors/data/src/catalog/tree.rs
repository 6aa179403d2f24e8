//! Folder-per-class image trees: `train/<class>/*.jpg`, or `<class>/*.jpg` alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::listing::Listing;
use super::{Catalog, CatalogError, ClassFolder, ImageTree, Split, SplitFiles, counted, is_image_name};

/// A class before it has a number: its name and files.
type NamedClass = (String, Vec<PathBuf>);

/// The tree under `root` whose splits are the given folders; `None` if no class folder holds an image.
/// Classes are numbered in byte order of their names over all splits, so a class means the same in each.
pub(super) fn find(root: &Path, splits: &[(Split, PathBuf)]) -> Result<Option<Catalog>, CatalogError> {
    let mut found: Vec<(Split, Vec<NamedClass>)> = Vec::new();
    let mut names = BTreeSet::new();
    for (split, folder) in splits {
        let mut classes = Vec::new();
        for class in Listing::read(&root.join(folder))?.folders {
            let files = images_of_class(root, &folder.join(&class))?;
            if !files.is_empty() {
                names.insert(class.clone());
                classes.push((class, files));
            }
        }
        if !classes.is_empty() {
            found.push((*split, classes));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let names: Vec<_> = names.into_iter().collect();
    let mut catalog = Catalog::default();
    let mut parts = Vec::new();
    for (split, classes) in found {
        let classes: Vec<_> = classes.into_iter().map(|(name, files)| labelled(name, files, &names)).collect();
        match catalog.split_mut(split) {
            Some(SplitFiles::Images(tree)) => tree.classes = merged(std::mem::take(&mut tree.classes), classes),
            slot => *slot = Some(SplitFiles::Images(ImageTree { root: root.to_path_buf(), classes })),
        }
    }
    for split in Split::ALL {
        if let Some(files) = catalog.split(split) {
            parts.push(format!("{} for {}", counted(files.len(), "image"), split.name()));
        }
    }
    catalog.description = format!("{} of {} classes in {}", parts.join(", "), names.len(), root.display());
    catalog.class_names = Some(names);
    Ok(Some(catalog))
}

fn labelled(name: String, files: Vec<PathBuf>, names: &[String]) -> ClassFolder {
    let label = names.partition_point(|other| *other < name) as i64;
    ClassFolder { name, label, files }
}

/// Two folders of one split (`val/` and `valid/`) become one.
fn merged(mut one: Vec<ClassFolder>, other: Vec<ClassFolder>) -> Vec<ClassFolder> {
    for class in other {
        match one.binary_search_by(|known| known.name.cmp(&class.name)) {
            Ok(place) => one[place].files.extend(class.files),
            Err(place) => one.insert(place, class),
        }
    }
    one
}

fn images_of_class(root: &Path, class: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let listing = Listing::read(&root.join(class))?;
    let images = listing.files.iter().filter(|name| is_image_name(&name.to_string_lossy()));
    Ok(images.map(|name| class.join(name)).collect())
}
