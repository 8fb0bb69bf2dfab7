//! A folder of recorded cases: `NAME.json` and `NAME.safetensors` for each family, plain or gzipped.

mod store;
mod value;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

pub use store::Store;
pub use value::{Decoder, Value};

/// What goes wrong in reading the recorded data: a message with the file's name.
pub type ReadResult<T> = Result<T, String>;

/// Every family of the format, in the order in which they are run.
pub const FAMILIES: [&str; 10] = ["ops", "errors", "promotion", "modules", "optim", "sched", "clip_ema", "rng", "curves", "checkpoints"];

/// A folder of the format.
pub struct Golden {
    dir: PathBuf,
}

impl Golden {
    /// The folder that comes with the project.
    pub fn bundled() -> Golden {
        Golden { dir: Path::new(env!("CARGO_MANIFEST_DIR")).join("golden") }
    }

    /// Another folder.
    pub fn at(dir: impl Into<PathBuf>) -> Golden {
        Golden { dir: dir.into() }
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The families that the folder holds.
    pub fn families(&self) -> Vec<&'static str> {
        FAMILIES.into_iter().filter(|f| self.path(&format!("{f}.json")).is_some()).collect()
    }

    /// The file with this name, or the same with `.gz`.
    fn path(&self, name: &str) -> Option<PathBuf> {
        [name.to_string(), format!("{name}.gz")].into_iter().map(|n| self.dir.join(n)).find(|p| p.is_file())
    }

    /// The bytes of a file, unpacked if it is gzipped.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn bytes(&self, name: &str) -> ReadResult<Vec<u8>> {
        let path = self.path(name).ok_or_else(|| format!("{}: no {name} and no {name}.gz", self.dir.display()))?;
        let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
        let raw = std::fs::read(&path).map_err(wrong)?;
        if path.extension().is_none_or(|e| e != "gz") {
            return Ok(raw);
        }
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&raw[..]).read_to_end(&mut bytes).map_err(wrong)?;
        Ok(bytes)
    }

    /// The tensors of `NAME.safetensors`.
    ///
    /// # Errors
    /// If the file cannot be read or is malformed.
    pub fn store(&self, file: &str) -> ReadResult<Store> {
        Store::new(self.bytes(file)?).map_err(|e| format!("{file}: {e}"))
    }

    /// A file of the folder `checkpoints`, by its path; a packed folder holds them all in one file.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn checkpoint(&self, name: &str) -> ReadResult<Vec<u8>> {
        if let Ok(bytes) = std::fs::read(self.dir.join(name)) {
            return Ok(bytes);
        }
        let files = self.store("checkpoint_files.safetensors")?;
        files.bytes(name).map(<[u8]>::to_vec).ok_or_else(|| format!("no checkpoint {name}"))
    }

    /// A family with all its cases.
    ///
    /// # Errors
    /// If a file is missing or malformed.
    pub fn family(&self, name: &str) -> ReadResult<Family> {
        let file = format!("{name}.json");
        let wrong = |what: &str| format!("{file}: {what}");
        let index: Json = serde_json::from_slice(&self.bytes(&file)?).map_err(|e| wrong(&e.to_string()))?;
        let Json::Object(mut index) = index else {
            return Err(wrong("the index is not an object"));
        };
        let Some(Json::Array(cases)) = index.remove("cases") else {
            return Err(wrong("no list of cases"));
        };
        let tensors = index.get("file").and_then(Json::as_str).map_or_else(|| format!("{name}.safetensors"), str::to_string);
        let cases = cases
            .into_iter()
            .map(|c| match c {
                Json::Object(fields) => Case::new(fields),
                _ => Err("a case is not an object".to_string()),
            })
            .collect::<ReadResult<Vec<_>>>()
            .map_err(|e| wrong(&e))?;
        Ok(Family { name: name.to_string(), cases, store: Arc::new(self.store(&tensors)?) })
    }
}

/// One family: its cases and tensors.
pub struct Family {
    /// `ops`, `errors`...
    pub name: String,
    /// The cases in the order of the file.
    pub cases: Vec<Case>,
    /// The tensors that they refer to.
    pub store: Arc<Store>,
}

/// One case: the fields that every family has, and all of them.
pub struct Case {
    /// Unique in the family.
    pub id: String,
    /// What is called.
    pub op: String,
    /// Which sort of sample.
    pub variant: String,
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    fields: Map<String, Json>,
}

impl Case {
    fn new(fields: Map<String, Json>) -> ReadResult<Case> {
        let text = |name: &str| fields.get(name).and_then(Json::as_str).unwrap_or_default().to_string();
        let number = |name: &str| fields.get(name).and_then(Json::as_f64).unwrap_or(0.0);
        let (id, op, variant) = (text("id"), text("op"), text("variant"));
        if id.is_empty() {
            return Err("a case has no id".to_string());
        }
        Ok(Case { id, op, variant, rtol: number("rtol"), atol: number("atol"), fields })
    }

    /// A field as it stands in the file; null if it is absent.
    pub fn field(&self, name: &str) -> &Json {
        self.fields.get(name).unwrap_or(&Json::Null)
    }

    /// Whether the case has this field, and it is not null.
    pub fn has(&self, name: &str) -> bool {
        !self.field(name).is_null()
    }

    /// A field that is a list; empty if it is absent.
    pub fn list(&self, name: &str) -> &[Json] {
        self.field(name).as_array().map_or(&[], Vec::as_slice)
    }

    /// A field that is an object; its entries, none if it is absent.
    pub fn entries(&self, name: &str) -> impl Iterator<Item = (&str, &Json)> {
        self.field(name).as_object().into_iter().flatten().map(|(k, v)| (k.as_str(), v))
    }
}
