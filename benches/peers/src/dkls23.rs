//! DKLS23, beside the crate `dkls23`.

pub(crate) mod ours;
pub(crate) mod theirs;
