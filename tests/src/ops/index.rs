//! Reading and writing by index.

use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    r.op("index_select", |a| Ok(a.tensor("input")?.index_select(a.int("dim")?, &a.tensor("index")?)?));
    r.op("index_add", |a| Ok(a.tensor("input")?.index_add(a.int("dim")?, &a.tensor("index")?, &a.tensor("source")?)?));
    r.op("gather", |a| Ok(a.tensor("input")?.gather(a.int("dim")?, &a.tensor("index")?)?));
    r.op("scatter", |a| Ok(a.tensor("input")?.scatter(a.int("dim")?, &a.tensor("index")?, &a.tensor("src")?)?));
    r.op("scatter_add", |a| Ok(a.tensor("input")?.scatter_add(a.int("dim")?, &a.tensor("index")?, &a.tensor("src")?)?));
    r.op("nn.functional.embedding", |a| {
        let (indices, weight) = (a.tensor("input")?, a.tensor("weight")?);
        // How the gradient is stored.
        a.ignore("sparse");
        Ok(weight.embedding(&indices)?)
    });
}
