//! Real folders, read through the public interface.

mod compare;
mod detection;
mod files;
mod layouts;
#[cfg(test)]
mod support;
