//! The sink stands the suite that every connector should.
use crate::archive::Archive;
use courant::connect::harness::{SinkBench, check_sink};
use tempfile::TempDir;

/// A folder of its own for each scenario.
struct Folder(TempDir);

impl SinkBench for Folder {
    type Sink = Archive;

    fn properties(&self) -> Vec<(String, String)> {
        let text = |text: &str| text.to_owned();
        vec![
            (text("folder"), self.0.path().display().to_string()),
            (text("value.converter"), text("StringConverter")),
        ]
    }

    fn delivered(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.0.path()).expect("the folder is there");
        let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
        // By partition and offset, as they were read.
        files.sort_by_key(|path| {
            let name = path.display().to_string();
            let (partition, offset) = name.rsplit_once('@').expect("every name has an offset");
            (partition.to_owned(), offset.parse::<u64>().expect("an offset is a number"))
        });
        files.iter().map(|path| std::fs::read_to_string(path).expect("it can be read")).collect()
    }
}

#[test]
fn the_archive_conforms() {
    check_sink(|| Folder(tempfile::tempdir().expect("a folder"))).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_named_with_the_fix() {
    use courant::connect::Config;
    let archive = Archive { folder: "/no/such/folder".to_owned() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let problems = runtime.block_on(archive.check());
    assert_eq!(problems[0].0, "folder");
    assert!(problems[0].1.contains("/no/such/folder; make it first"), "{problems:?}");
}
