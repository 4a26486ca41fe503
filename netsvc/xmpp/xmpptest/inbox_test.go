package xmpptest

import (
	"testing"

	"linnet/netsvc/wire/stanza"
)

func TestCompare(t *testing.T) {
	for _, tc := range []struct {
		name, pattern, got string
		differ             bool
	}{
		{name: "same", pattern: `<message to='a@b'><body>x</body></message>`, got: `<message to='a@b'><body>x</body></message>`},
		{name: "id and to are free", pattern: `<message/>`, got: `<message id='1' to='a@b'/>`},
		{name: "another id", pattern: `<message id='2'/>`, got: `<message id='1'/>`, differ: true},
		{name: "from counts", pattern: `<message/>`, got: `<message from='a@b'/>`, differ: true},
		{name: "type counts", pattern: `<message/>`, got: `<message type='chat'/>`, differ: true},
		{name: "wildcards", pattern: `<message from='*'><body>*</body></message>`, got: `<message from='a@b'><body>x</body></message>`},
		{name: "attribute missing", pattern: `<message from='*'/>`, got: `<message/>`, differ: true},
		{name: "prefixes", pattern: `<message><x:y xmlns:x='urn:x'/></message>`, got: `<message><y xmlns='urn:x'/></message>`},
		{name: "namespace", pattern: `<message><y xmlns='urn:z'/></message>`, got: `<message><y xmlns='urn:x'/></message>`, differ: true},
		{name: "order of children", pattern: "<message>\n<a xmlns='x'/> <b xmlns='x'/></message>", got: `<message><b xmlns='x'/><a xmlns='x'/></message>`},
		{name: "child missing", pattern: `<message><a xmlns='x'/><a xmlns='x'/></message>`, got: `<message><a xmlns='x'/></message>`, differ: true},
		{name: "child too many", pattern: `<message/>`, got: `<message><a xmlns='x'/></message>`, differ: true},
		{name: "text", pattern: `<message><body>x</body></message>`, got: `<message><body>x </body></message>`, differ: true},
		{name: "id of a child counts", pattern: `<message><a xmlns='x'/></message>`, got: `<message><a xmlns='x' id='1'/></message>`, differ: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := stanza.Parse([]byte(tc.got))
			if err != nil {
				t.Fatal(err)
			}
			if why := compare(tc.pattern, s); (why != "") != tc.differ {
				t.Errorf("compare says %q, a difference expected: %v", why, tc.differ)
			}
		})
	}
}
