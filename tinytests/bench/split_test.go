package main

import "testing"

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		name string
		in   string
		item string
		n    int // 0: the whole input
	}{
		{name: "nothing", in: ""},
		{name: "whitespace", in: " \n"},
		{name: "header", in: "<stream:stream id='1' version='1.0'>", item: "<stream:stream id='1' version='1.0'>"},
		{name: "header after a declaration", in: "<?xml version='1.0'?>\n<stream:stream id='1'>", item: "<stream:stream id='1'>"},
		{name: "footer", in: "</stream:stream>", item: "</stream:stream>"},
		{name: "empty element", in: "<r xmlns='urn:xmpp:sm:3'/><r/>", item: "<r xmlns='urn:xmpp:sm:3'/>", n: 26},
		{name: "greater-than in a value", in: "<a x='>'/>", item: "<a x='>'/>"},
		{name: "message and the beginning of another", in: "<message><body>x</body></message><mess", item: "<message><body>x</body></message>", n: 33},
		{
			name: "message in a message",
			in:   "<message><sent><message id='2'><body/></message></sent></message> ",
			item: "<message><sent><message id='2'><body/></message></sent></message>", n: 65,
		},
		{name: "iq with an empty iq in it", in: "<iq id='1'><iq /></iq>", item: "<iq id='1'><iq /></iq>"},
		{name: "a name that begins alike", in: "<a><abc></abc></a>", item: "<a><abc></abc></a>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			item, n, err := split([]byte(test.in))
			want := test.n
			if want == 0 {
				want = len(test.in)
			}
			if string(item) != test.item || n != want || err != nil {
				t.Errorf("split = %q, %d, %v; want %q, %d", item, n, err, test.item, want)
			}
		})
	}
}

// TestSplitAnywhere cuts a stream at every byte: nothing may be found early, and everything once it is whole.
func TestSplitAnywhere(t *testing.T) {
	for _, whole := range []string{
		"<?xml version='1.0'?><stream:stream id='1'>",
		"<message to='a'><x><message>y</message></x><body>&gt;</body></message>",
		"<iq type='result' id='1'><bind/></iq>",
		"<stream:features><mechanisms/></stream:features>",
		"<a h='12'/>",
		"</stream:stream>",
	} {
		for cut := range len(whole) {
			if item, n, err := split([]byte(whole[:cut])); len(item) > 0 || n > 0 || err != nil {
				t.Errorf("split(%q) = %q, %d, %v before it is whole", whole[:cut], item, n, err)
			}
		}
		if item, n, err := split([]byte(whole)); len(item) == 0 || n != len(whole) || err != nil {
			t.Errorf("split(%q) = %q, %d, %v", whole, item, n, err)
		}
	}
}

func TestSplitRefusesText(t *testing.T) {
	if _, _, err := split([]byte("HTTP/1.1 400")); err == nil {
		t.Error("no error for what is no XML")
	}
}

func TestAttribute(t *testing.T) {
	item := []byte(`<iq to='a' id="x1"><y from='inner'/></iq>`)
	for name, want := range map[string]string{"to": "a", "id": "x1", "from": "", "d": ""} {
		if got := attribute(item, name); string(got) != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}
