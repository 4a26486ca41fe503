// Package scenario runs behaviours of an XMPP server that are written down as conversations: one txtar file per
// behaviour, run against in-process nodes with fake time, against a program that it starts, or with -live against
// any other server. The package owns the language, its matcher and a small test client; what a server promises
// stands in the files below this folder, each of which names its specification in its opening comment.
//
// # A scenario
//
//	# A message to one resource is copied to the other that asked for carbons.
//	# XEP-0280 1.0.1, section 6.
//
//	accounts romeo juliet
//	online romeo/orchard as R
//	online juliet/balcony as J
//	online juliet/chamber as C
//	forget J C
//
//	C: <iq type='set' id='c1'><enable xmlns='urn:xmpp:carbons:2'/></iq>
//	C> <iq type='result' id='c1'/>
//
//	R: <message to='juliet@localhost/balcony' type='chat'><body>But soft</body></message>
//	J> <message from='romeo@localhost/orchard' type='chat'><body>But soft</body></message>
//	C> <message from='juliet@localhost' type='chat'>
//	     <received xmlns='urn:xmpp:carbons:2'>
//	       <forwarded xmlns='urn:xmpp:forward:0'>
//	         <message xmlns='jabber:client' from='romeo@localhost/orchard' type='chat'><body>But soft</body></message>
//	       </forwarded>
//	     </received>
//	   </message>
//	J> nothing
//
// The part of the archive before the first "-- name --" is the script. A line that begins with white space
// continues the line above it, # at the start of a line is a comment. The domain of the server is always written
// localhost, and is replaced when a run is told another one. Every account NAME has the password secret-of-NAME.
//
// # Lines
//
// NAME: XML sends bytes exactly as they stand, well-formed or not, after {variables} were filled in. {fill N}
// stands for N letters x, {space} for one space, {dir} for a directory that is
// removed afterwards.
//
// NAME> XML takes what the client received next and compares it. Several elements are taken in order. Before the
// XML may stand one of
//
//	...          skips what comes before the first element
//	any order    the elements may arrive in any order, with nothing between them
//
// and instead of it
//
//	nothing               nothing has arrived and nothing will
//	nothing for 30s       the same, over a time
//	nothing like XML      among all that has arrived, nothing matches; nothing is taken
//	closed                the connection ended, perhaps after a stream error or footer that the script did not take
//
// A stream is compared as <stream:stream …> (opening tag) and </stream:stream>.
//
// Other lines begin with a verb; the table Verbs lists them, and a golden file keeps the list.
//
// # Patterns
//
// An element matches when its name, namespace, attributes, text and children do. Attributes and children may stand
// in any order. What the pattern does not mention must be absent, except:
//
//   - id, from, to and xml:lang of a stanza;
//   - anything, where the pattern element contains "..." (attributes, text and children);
//   - what servers add to any stanza: stanza-id in a message, delay and the avatar's hash in a presence, text and by of an error, and
//     the echoed payload of an error stanza.
//
// In attribute values and texts * stands for any run of characters, {name} binds such a run and must be equal
// where the name is used again, \*, \{ and \} are the characters themselves. Written without a namespace, elements are in
// jabber:client; the prefix stream is known.
//
// <r/> and <a/> of XEP-0198 are passed over unless the pattern asks for one. A ping from the server to a client
// that was made by connect or online is answered and not shown.
package scenario
