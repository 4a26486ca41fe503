package stanza_test

import (
	"fmt"

	"linnet/netsvc/wire/stanza"
)

// What the archive does with a message: forged stamps are cut, its own is added, all receivers share the bytes.
func ExampleStanza_Append() {
	s, err := stanza.Parse([]byte("<message to='romeo@example.net' type='chat'><body>Hark!</body><stanza-id xmlns='urn:xmpp:sid:0' id='forged'/></message>"))
	if err != nil {
		fmt.Println(err)
		return
	}
	s = s.Without(func(space, local string, raw []byte) bool { return space == "urn:xmpp:sid:0" && local == "stanza-id" })
	s = s.Append([]byte("<stanza-id xmlns='urn:xmpp:sid:0' id='1'/>"))
	fmt.Printf("%s\n", s.AppendTo(nil))
	// Output: <message to='romeo@example.net' type='chat'><body>Hark!</body><stanza-id xmlns='urn:xmpp:sid:0' id='1'/></message>
}

func ExampleStanza_Fail() {
	s, err := stanza.Parse([]byte("<iq from='juliet@example.com/balcony' to='example.com' id='1' type='get'><unheard-of xmlns='urn:x'/></iq>"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", s.Fail(stanza.NewError(stanza.ServiceUnavailable, "")).AppendTo(nil))
	// Output: <iq from='example.com' to='juliet@example.com/balcony' id='1' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
}
