package xmlstream

import (
	"slices"
	"strings"
	"testing"
)

const (
	serverTag    = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:z='urn:z'>"
	componentTag = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"
	prefixedTag  = "<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:z='urn:z&amp;'>"
	serverPrefix = "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:c='jabber:server'>"
	noneTag      = "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:z='urn:z'>"
)

func TestAppendKid(t *testing.T) {
	tests := []struct {
		name, header, element string
		portable              bool
		want                  string // all children
	}{
		{"content namespace", headerTag, "<message> <body>x</body>\n<subject/></message>", true, "<body>x</body><subject/>"},
		{"own namespace", headerTag, "<message><a xmlns='u'><b/></a></message>", true, "<a xmlns='u'><b/></a>"},
		{"own prefix", headerTag, "<message><x:a xmlns:x='u'><x:b x:c='d'/></x:a></message>", true, "<x:a xmlns:x='u'><x:b x:c='d'/></x:a>"},
		{"no namespace", headerTag, "<message><a xmlns=''><b/></a></message>", true, "<a xmlns=''><b/></a>"},
		{"server", serverTag, "<message><body>x</body><a xmlns='u'/></message>", true, "<body>x</body><a xmlns='u'/>"},
		{"component", componentTag, "<message><body>x</body></message>", true, "<body>x</body>"},
		{"content namespace on the stanza", noneTag, "<message xmlns='jabber:client'><body/></message>", true, "<body/>"},
		{"another client's child of a server", serverTag, "<message><body xmlns='jabber:client'/></message>", true, "<body xmlns='jabber:client'/>"},

		{"prefix of the header", headerTag, "<message><stream:a b='c'/></message>", false, "<stream:a xmlns:stream='http://etherx.jabber.org/streams' b='c'/>"},
		{"prefix of the stanza", headerTag, "<message xmlns:x='u'><x:a/><a><x:b/></a><c x:d='e'/><f/></message>", false,
			"<x:a xmlns:x='u'/><a xmlns:x='u'><x:b/></a><c xmlns:x='u' x:d='e'/><f/>"},
		{"two prefixes of the stanza", headerTag, "<message xmlns:x='u' xmlns:y='v'><a x:b='1' y:b='2'/></message>", false, "<a xmlns:x='u' xmlns:y='v' x:b='1' y:b='2'/>"},
		{"prefix declared again within", headerTag, "<message xmlns:x='u'><x:a><x:b xmlns:x='v'><x:c/></x:b></x:a></message>", false,
			"<x:a xmlns:x='u'><x:b xmlns:x='v'><x:c/></x:b></x:a>"},
		{"prefix declared again on the child", headerTag, "<message xmlns:x='u'><x:a xmlns:x='v'><x:b/></x:a></message>", true, "<x:a xmlns:x='v'><x:b/></x:a>"},
		{"stanza shadows the header", serverTag, "<message xmlns:z='urn:y'><z:a/></message>", false, "<z:a xmlns:z='urn:y'/>"},
		{"namespace to be escaped", headerTag, "<message xmlns:x='a&apos;&lt;&#9;'><x:a/></message>", false, "<x:a xmlns:x='a&apos;&lt;&#9;'/>"},
		{"foreign default on the stanza", prefixedTag, "<c:message xmlns='urn:d'><a/><b xmlns='u'/></c:message>", false, "<a xmlns='urn:d'/><b xmlns='u'/>"},
		{"no default", noneTag, "<c:message xmlns:c='jabber:client'><a/></c:message>", false, "<a xmlns=''/>"},
		{"default of the header is another", prefixedTag, "<c:message><a><b xmlns=''/></a></c:message>", false, "<a xmlns='http://etherx.jabber.org/streams'><b xmlns=''/></a>"},

		{"content by prefix", prefixedTag, "<c:message><c:body a='b' xml:lang='de'>x&amp;<![CDATA[<]]></c:body ><c:x\n/></c:message>", false,
			"<body a='b' xml:lang='de'>x&amp;<![CDATA[<]]></body><x/>"},
		{"content by prefix with others in it", prefixedTag, "<c:message><c:error type='cancel'><gone xmlns='urn:s'>x</gone><z:a z:b=\"'\"/><c:d/></c:error></c:message>", false,
			"<error type='cancel'><gone xmlns='urn:s'>x</gone><a xmlns='urn:z&amp;' xmlns:z='urn:z&amp;' z:b=\"'\"/><d/></error>"},
		{"content by prefix deep in another", prefixedTag, "<c:message><f xmlns='u'><c:message><c:body/></c:message></f></c:message>", false,
			"<f xmlns='u'><message xmlns='jabber:client'><body/></message></f>"},
		{"server content by prefix", serverPrefix, "<c:message><c:body/><f xmlns='u'><c:x/></f></c:message>", false, "<body/><f xmlns='u'><x xmlns='jabber:client'/></f>"},
		{"server content by prefix beside its own", serverPrefix, "<c:message><f xmlns='u'><c:x/><y xmlns='jabber:server'/></f></c:message>", false,
			"<f xmlns='u'><x xmlns='jabber:client'/><y xmlns='jabber:server'/></f>"},
		{"content by prefix with a prefix of its own", prefixedTag, "<c:message><c:x xmlns:q='urn:q' q:a='1' z:b='2' z:c='3'><c:y q:a='1'/></c:x></c:message>", false,
			"<x xmlns:q='urn:q' q:a='1' xmlns:z='urn:z&amp;' z:b='2' z:c='3'><y q:a='1'/></x>"},
		{"content namespace declared on the child", headerTag, "<message><body xmlns='jabber:client' a='b'><b/></body></message>", false, "<body a='b'><b/></body>"},
		{"server content declared on the child", serverTag, "<message><body xmlns='jabber:server'><b/><c xmlns='jabber:server'/></body></message>", false, "<body><b/><c/></body>"},
		{"content by the child's own prefix", serverTag, "<message><x:body xmlns:x='jabber:server'/></message>", false, "<body xmlns:x='jabber:server'/>"},
		{"server content declared within another", serverTag, "<message><f xmlns='u'><body xmlns='jabber:server'/></f></message>", true, "<f xmlns='u'><body xmlns='jabber:server'/></f>"},
		{"client content forwarded by a server", serverTag, "<message><f xmlns='u'><message xmlns='jabber:client'><body/></message></f></message>", true,
			"<f xmlns='u'><message xmlns='jabber:client'><body/></message></f>"},
		{"foreign child's child inherits", serverTag, "<message><x:f xmlns:x='u'><body/></x:f></message>", true, "<x:f xmlns:x='u'><body/></x:f>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, el := scanElement(t, test.header, test.element)
			var got []byte
			portable := true
			for n := range el.Kids() {
				k := &el.Kids()[n]
				portable = portable && el.Portable(k)
				var ok bool
				if got, ok = el.AppendKid(got, k); !ok {
					t.Error("too long")
				}
			}
			if string(got) != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
			if portable != test.portable {
				t.Errorf("portable: %v", portable)
			}
			sameMeaning(t, test.header, test.element, string(got))
		})
	}
}

// sameMeaning compares the children of an element in its stream with those copied out, where
// jabber:client is the default namespace.
func sameMeaning(t *testing.T, header, element, copied string) {
	t.Helper()
	_, el := scanElement(t, header, element)
	before := el.Node()
	after, err := Parse([]byte("<x>"+copied+"</x>"), ClientSpace)
	if err != nil {
		t.Fatalf("%s: %v", copied, err)
	}
	// Where the content namespace is jabber:server, which occurrences are renamed is in the table
	// above.
	client := func(tokens []string) []string {
		for n := range tokens {
			for _, space := range []string{ServerSpace, ComponentSpace} {
				tokens[n] = strings.Replace(tokens[n], "<{"+space+"}", "<{"+ClientSpace+"}", 1)
			}
		}
		return tokens
	}
	var want, got []string
	for _, kid := range before.Kids {
		want = appendTokens(want, kid)
	}
	for _, kid := range after.Kids {
		got = appendTokens(got, kid)
	}
	if !slices.Equal(client(got), client(want)) {
		t.Errorf("%s\nis       %q\nand then %q", element, want, got)
	}
}

// TestAppendKidIsBounded: many short names in a long namespace do not become many long ones.
func TestAppendKidIsBounded(t *testing.T) {
	long := strings.Repeat("u", 10_000)
	for _, test := range []struct{ name, header, kid string }{
		{"declarations", headerTag, "<x:a/>"},
		{"rewritten", prefixedTag, "<c:b><x:a/><x:a/><x:a/><x:a/><x:a/><x:a/></c:b>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			element := "<message xmlns:x='" + long + "'>" + strings.Repeat(test.kid, 6) + "</message>"
			s, el := scanElement(t, test.header, element)
			s.SetLimits(Limits{Bytes: 5 * len(long)})
			var got []byte
			ok := true
			for n := range el.Kids() {
				if got, ok = el.AppendKid(got, &el.Kids()[n]); !ok {
					break
				}
			}
			if ok || len(got) > 7*len(long) {
				t.Errorf("%d bytes, ok %v", len(got), ok)
			}
			s.SetLimits(Limits{Bytes: 100 * len(long)})
			if _, ok := el.AppendKid(nil, &el.Kids()[0]); !ok {
				t.Error("not even one")
			}
		})
	}
}
