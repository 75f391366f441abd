//! schemas/ has what the types say. After a change of a message: UPDATE_SCHEMAS=1 cargo test -p lambda-scale --test schemas

use std::fs;
use std::path::Path;

use clap::ValueEnum as _;
use lambda_scale::schema::Subject;

#[test]
#[expect(clippy::disallowed_methods, reason = "how this test is asked to write the files")]
fn every_schema_is_published_as_the_types_have_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    for subject in Subject::value_variants() {
        let (path, schema) = (directory.join(subject.file()), subject.schema());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, &schema).unwrap();
        }
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert!(published == schema, "{} is outdated: UPDATE_SCHEMAS=1 writes it", path.display());
    }
}
