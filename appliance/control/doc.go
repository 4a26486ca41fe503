// Package control is the command set on a local socket, and the client that `linnet ctl` is.
//
// The server listens on a Unix socket in the data directory, mode 0600, and asks the kernel who is at the
// other end: root and the user that the program runs as are administrators, everybody else is refused. All
// knowledge about commands is on the server's side: the client sends its words as they are, shows what comes
// back, and asks for a password where it is told to. So the client never disagrees with a server of another
// version, and help is always that of the running program.
//
// # Protocol
//
// Lines of JSON objects (RFC 8259) with texts, truth values and lists of texts only. The client begins:
//
//	{"argv":["user","add","alice@example.org"],"dir":"/home/op","color":true,"answers":true}
//
// "dir" is what relative files are taken from; "answers" says that somebody or something can answer a
// question. The server sends any number of these and then the code that the client exits with:
//
//	{"out":"…"}  {"err":"…"}          to be written to standard output or standard error
//	{"clear":true}                    before a table that replaces the last one
//	{"ask":"Password","secret":true}  to be answered by {"answer":"…"} or by closing
//	{"exit":"0"}                      the last one
//
// Closing the connection ends the command.
package control
