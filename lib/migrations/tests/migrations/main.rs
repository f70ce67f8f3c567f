//! Real folders, read through the public interface.

mod baselines;
mod compare;
mod detection;
mod files;
mod layouts;
mod marks;
mod names;
#[cfg(test)]
mod support;
