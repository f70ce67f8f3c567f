mod corpus;
mod depth;
mod digest;
mod directives;
mod hindrances;
mod parse;
mod rules;
