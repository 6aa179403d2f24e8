//! Where every record of a split is: what makes loading lazy.
//! Not here: which files belong to a split (see `catalog`), or what a record means (see `example`).
