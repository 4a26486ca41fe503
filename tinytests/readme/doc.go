// Package readme runs the README: its commands in order against a server that it starts, its configuration through
// the program's own check, its folders against the tree. What a new user is told to type must work.
//
// A fenced block is run as written, but that the ports are free ones and paths of the system lie in a directory of
// the test. A comment before a block says what is special about it: background (it goes on while the next run),
// "background prints: TEXT" (after this block, what runs in the background has printed the text), stopped (the
// server does not run meanwhile). Lines with make are looked up in the Makefile and not run: they are the tests
// themselves.
package readme
