// Package pgtest starts throw-away Postgres servers, and PgBouncers before them, for tests and benchmarks. They
// run as a user without rights, in a directory of their own, on a Unix socket and on 127.0.0.1, and
// end with the process that started them, however it ends.
package pgtest
