package xmlstream

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// refused is what must not get through: each is put into a client's stream unless it is a whole
// stream by itself. lax marks what encoding/xml lets through, which is why it is not the reader
// of our streams.
var refused = []struct {
	name      string
	in        string
	whole     bool
	condition string
	lax       bool
}{
	// What RFC 6120, 11.1 takes out of XML.
	{name: "comment", in: "<a><!-- x --></a>", condition: RestrictedXML, lax: true},
	{name: "comment between elements", in: "<!-- x -->", condition: RestrictedXML, lax: true},
	{name: "processing instruction", in: "<a><?x y?></a>", condition: RestrictedXML, lax: true},
	{name: "processing instruction between elements", in: "<?x y?>", condition: RestrictedXML, lax: true},
	{name: "processing instruction first", in: "<?x y?>" + headerTag, whole: true, condition: RestrictedXML, lax: true},
	{name: "style sheet first", in: "<?xml-stylesheet href='a'?>" + headerTag, whole: true, condition: RestrictedXML, lax: true},
	{name: "document type", in: "<!DOCTYPE a>" + headerTag, whole: true, condition: RestrictedXML, lax: true},
	{name: "document type with entities", in: "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]>" + headerTag, whole: true, condition: RestrictedXML, lax: true},
	{name: "document type in an element", in: "<a><!DOCTYPE a></a>", condition: RestrictedXML, lax: true},
	{name: "entity of HTML", in: "<a>&nbsp;</a>", condition: RestrictedXML},
	{name: "entity in an attribute", in: "<a b='&nbsp;'/>", condition: RestrictedXML},
	{name: "entity with a dot", in: "<a>&a.b;</a>", condition: NotWellFormed},

	// The XML declaration, and the encoding.
	{name: "second XML declaration", in: "<?xml version='1.0'?><?xml version='1.0'?>" + headerTag, whole: true, condition: RestrictedXML, lax: true},
	{name: "XML declaration after the header", in: "<?xml version='1.0'?>", condition: RestrictedXML, lax: true},
	{name: "XML declaration after white space", in: " <?xml version='1.0'?>" + headerTag, whole: true, condition: RestrictedXML, lax: true},
	{name: "XML 1.1", in: "<?xml version='1.1'?>" + headerTag, whole: true, condition: NotWellFormed},
	{name: "no version", in: "<?xml encoding='UTF-8'?>" + headerTag, whole: true, condition: NotWellFormed, lax: true},
	{name: "encoding before version", in: "<?xml encoding='UTF-8' version='1.0'?>" + headerTag, whole: true, condition: NotWellFormed, lax: true},
	{name: "latin 1", in: "<?xml version='1.0' encoding='ISO-8859-1'?>" + headerTag, whole: true, condition: UnsupportedEncoding},
	{name: "no encoding in it", in: "<?xml version='1.0' encoding=''?>" + headerTag, whole: true, condition: UnsupportedEncoding, lax: true},
	{name: "standalone perhaps", in: "<?xml version='1.0' standalone='perhaps'?>" + headerTag, whole: true, condition: NotWellFormed, lax: true},
	{name: "standalone without quotes", in: "<?xml version='1.0' standalone=yes?>" + headerTag, whole: true, condition: NotWellFormed, lax: true},
	{name: "something else in it", in: "<?xml version='1.0' x='y'?>" + headerTag, whole: true, condition: NotWellFormed, lax: true},
	{name: "XML declaration without its end", in: "<?xml version='1.0'>" + headerTag, whole: true, condition: NotWellFormed, lax: true},
	{name: "byte order mark", in: "\uFEFF" + headerTag, whole: true, condition: UnsupportedEncoding, lax: true},
	{name: "UTF-16 with a mark", in: "\xFF\xFE<\x00", whole: true, condition: UnsupportedEncoding},
	{name: "UTF-16 without", in: "\x00<\x00a", whole: true, condition: UnsupportedEncoding},
	{name: "stray continuation byte", in: "<a>\x80</a>", condition: UnsupportedEncoding},
	{name: "overlong slash", in: "<a>\xC0\xAF</a>", condition: UnsupportedEncoding},
	{name: "overlong, three bytes", in: "<a>\xE0\x80\xAF</a>", condition: UnsupportedEncoding},
	{name: "surrogate", in: "<a>\xED\xA0\x80</a>", condition: UnsupportedEncoding},
	{name: "beyond Unicode", in: "<a>\xF4\x90\x80\x80</a>", condition: UnsupportedEncoding},
	{name: "cut character", in: "<a>\xE2\x82</a>", condition: UnsupportedEncoding},
	{name: "cut character in an attribute", in: "<a b='\xC3'/>", condition: UnsupportedEncoding},
	{name: "latin 1 in a name", in: "<\xE4/>", condition: UnsupportedEncoding},
	{name: "in a CDATA section", in: "<a><![CDATA[\xFF]]></a>", condition: UnsupportedEncoding},

	// Characters.
	{name: "NUL", in: "<a>\x00</a>", condition: NotWellFormed},
	{name: "control character", in: "<a>\x1B</a>", condition: NotWellFormed},
	{name: "control character in an attribute", in: "<a b='\x01'/>", condition: NotWellFormed},
	{name: "control character in a tag", in: "<a \x01/>", condition: NotWellFormed},
	{name: "control character in a CDATA section", in: "<a><![CDATA[\x01]]></a>", condition: NotWellFormed},
	{name: "form feed as white space", in: "<a\fb='c'/>", condition: NotWellFormed},
	{name: "U+FFFE", in: "<a>\uFFFE</a>", condition: NotWellFormed},
	{name: "U+FFFF in an attribute", in: "<a b='\uFFFF'/>", condition: NotWellFormed},
	{name: "reference to NUL", in: "<a>&#0;</a>", condition: NotWellFormed},
	{name: "reference to a control character", in: "<a>&#8;</a>", condition: NotWellFormed},
	{name: "reference to a surrogate", in: "<a>&#xD800;</a>", condition: NotWellFormed, lax: true},
	{name: "reference to U+FFFF", in: "<a>&#65535;</a>", condition: NotWellFormed},
	{name: "reference beyond Unicode", in: "<a>&#x110000;</a>", condition: NotWellFormed},
	{name: "reference beyond 64 bits", in: "<a>&#x10000000000000041;</a>", condition: NotWellFormed},
	{name: "reference in capital X", in: "<a>&#X41;</a>", condition: NotWellFormed},
	{name: "reference without digits", in: "<a>&#;</a>", condition: NotWellFormed},
	{name: "reference without hexadecimal digits", in: "<a>&#x;</a>", condition: NotWellFormed},
	{name: "reference with a hexadecimal digit", in: "<a>&#1A;</a>", condition: NotWellFormed},
	{name: "reference without an end", in: "<a>&amp</a>", condition: NotWellFormed},
	{name: "lone ampersand", in: "<a>x & y</a>", condition: NotWellFormed},
	{name: "empty reference", in: "<a>&;</a>", condition: NotWellFormed},
	{name: "]]> in text", in: "<a>x]]>y</a>", condition: NotWellFormed},
	{name: "]]> after a third bracket", in: "<a>]]]></a>", condition: NotWellFormed},

	// Tags.
	{name: "end tag of another element", in: "<a></b>", condition: NotWellFormed},
	{name: "end tag with more behind", in: "<a></aa>", condition: NotWellFormed},
	{name: "end tag with less", in: "<aa></a>", condition: NotWellFormed},
	{name: "end tags crossed", in: "<a><b></a></b>", condition: NotWellFormed},
	{name: "end tag with an attribute", in: "<a></a b='c'>", condition: NotWellFormed},
	{name: "end tag with another prefix", in: "<x:a xmlns:x='u' xmlns:y='u'></y:a>", condition: NotWellFormed},
	{name: "end tag that closes itself", in: "<a></a/>", condition: NotWellFormed},
	{name: "footer with another prefix", in: headerTag + "</stream>", whole: true, condition: NotWellFormed},
	{name: "end tag first", in: "</a>", whole: true, condition: NotWellFormed},
	{name: "space before the name", in: "< a/>", condition: NotWellFormed},
	{name: "space before the end tag's name", in: "<a></ a>", condition: NotWellFormed},
	{name: "space in />", in: "<a/ >", condition: NotWellFormed},
	{name: "no name", in: "<>", condition: NotWellFormed},
	{name: "tag in a tag", in: "<a <b/>", condition: NotWellFormed},
	{name: "name that begins with a digit", in: "<1/>", condition: NotWellFormed},
	{name: "name that begins with a hyphen", in: "<-a/>", condition: NotWellFormed},
	{name: "name with a slash", in: "<a!b/>", condition: NotWellFormed},
	{name: "name of the fifth edition", in: "<\u0560/>", condition: NotWellFormed},
	{name: "name beyond the Basic Multilingual Plane", in: "<\U00010000/>", condition: NotWellFormed},
	{name: "name with a combining character first", in: "<\u0300a/>", condition: NotWellFormed},
	{name: "CDATA in lower case", in: "<a><![cdata[x]]></a>", condition: NotWellFormed},
	{name: "conditional section", in: "<a><![INCLUDE[x]]></a>", condition: NotWellFormed},
	{name: "declaration", in: "<a><!ELEMENT a></a>", condition: NotWellFormed, lax: true},

	// Attributes.
	{name: "duplicate attribute", in: "<a b='c' b='d'/>", condition: NotWellFormed, lax: true},
	{name: "duplicate by namespace", in: "<a xmlns:x='u' xmlns:y='u' x:b='c' y:b='d'/>", condition: NotWellFormed, lax: true},
	{name: "duplicate by namespace, bound later", in: "<a x:b='c' y:b='d' xmlns:x='u' xmlns:y='&#117;'/>", condition: NotWellFormed, lax: true},
	{name: "duplicate declaration", in: "<a xmlns:x='u' xmlns:x='u'/>", condition: NotWellFormed, lax: true},
	{name: "duplicate default declaration", in: "<a xmlns='u' xmlns='u'/>", condition: NotWellFormed, lax: true},
	{name: "< in a value", in: "<a b='<'/>", condition: NotWellFormed},
	{name: "no quotes", in: "<a b=c/>", condition: NotWellFormed},
	{name: "no value", in: "<a b/>", condition: NotWellFormed},
	{name: "no name", in: "<a ='b'/>", condition: NotWellFormed},
	{name: "no space between", in: "<a b='c'd='e'/>", condition: NotWellFormed, lax: true},
	{name: "no space before", in: "<a'b'/>", condition: NotWellFormed},

	// Namespaces.
	{name: "unbound prefix", in: "<x:a/>", condition: BadNamespacePrefix, lax: true},
	{name: "unbound prefix of an attribute", in: "<a x:b='c'/>", condition: BadNamespacePrefix, lax: true},
	{name: "prefix out of scope", in: "<a><b xmlns:x='u'/><x:c/></a>", condition: BadNamespacePrefix, lax: true},
	{name: "prefix of the element before", in: "<a xmlns:x='u'/><x:a/>", condition: BadNamespacePrefix, lax: true},
	{name: "prefix undeclared", in: "<a xmlns:x=''/>", condition: BadNamespacePrefix, lax: true},
	{name: "prefix xmlns declared", in: "<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>", condition: BadNamespacePrefix, lax: true},
	{name: "prefix xmlns for something else", in: "<a xmlns:xmlns='u'/>", condition: BadNamespacePrefix, lax: true},
	{name: "prefix xml for something else", in: "<a xmlns:xml='u'/>", condition: BadNamespacePrefix, lax: true},
	{name: "another prefix for xml", in: "<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>", condition: BadNamespacePrefix, lax: true},
	{name: "default namespace xml", in: "<a xmlns='http://www.w3.org/XML/1998/namespace'/>", condition: BadNamespacePrefix, lax: true},
	{name: "default namespace xmlns", in: "<a xmlns='http://www.w3.org/2000/xmlns/'/>", condition: BadNamespacePrefix, lax: true},
	{name: "element with prefix xmlns", in: "<xmlns:a/>", condition: BadNamespacePrefix, lax: true},
	{name: "element with prefix xml", in: "<xml:a/>", condition: BadNamespacePrefix, lax: true},
	{name: "two colons", in: "<x:y:a xmlns:x='u'/>", condition: NotWellFormed},
	{name: "two colons at once", in: "<x::a xmlns:x='u'/>", condition: NotWellFormed},
	{name: "nothing before the colon", in: "<:a/>", condition: NotWellFormed, lax: true},
	{name: "nothing behind the colon", in: "<x: xmlns:x='u'/>", condition: NotWellFormed, lax: true},
	{name: "digit behind the colon", in: "<x:1 xmlns:x='u'/>", condition: NotWellFormed, lax: true},
	{name: "attribute with nothing behind the colon", in: "<a xmlns:='u'/>", condition: NotWellFormed, lax: true},
	{name: "attribute with nothing before the colon", in: "<a :b='u'/>", condition: NotWellFormed, lax: true},

	// The stream.
	{name: "text between elements", in: "x", condition: BadFormat, lax: true},
	{name: "text behind an element", in: "<a/>x", condition: BadFormat, lax: true},
	{name: "reference between elements", in: "&#32;", condition: BadFormat, lax: true},
	{name: "CDATA section between elements", in: "<![CDATA[ ]]>", condition: NotWellFormed, lax: true},
	{name: "another protocol", in: "GET / HTTP/1.1\r\n", whole: true, condition: BadFormat, lax: true},
	{name: "TLS", in: "\x16\x03\x01", whole: true, condition: NotWellFormed},
	{name: "element after the footer", in: stream("") + "<a/>", whole: true, condition: NotWellFormed, lax: true},
	{name: "second footer", in: stream("") + footerTag, whole: true, condition: NotWellFormed},
	{name: "text after the footer", in: stream("") + "x", whole: true, condition: BadFormat, lax: true},
	{name: "no namespace of streams", in: "<stream xmlns='jabber:client'>", whole: true, condition: InvalidNamespace, lax: true},
	{name: "namespace with a slash more", in: "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams/'>", whole: true, condition: InvalidNamespace, lax: true},
	{name: "unbound prefix of the header", in: "<stream:stream xmlns='jabber:client'>", whole: true, condition: BadNamespacePrefix, lax: true},
	{name: "foreign content namespace", in: "<s:stream xmlns='urn:x' xmlns:s='http://etherx.jabber.org/streams'>", whole: true, condition: InvalidNamespace, lax: true},
	{name: "header with another name", in: "<s:streams xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>", whole: true, condition: BadFormat, lax: true},
	{name: "header that closes itself", in: "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'/>", whole: true, condition: BadFormat, lax: true},
}

func TestRefused(t *testing.T) {
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			in := test.in
			if !test.whole {
				in = stream(test.in)
			}
			var s Scanner
			if found, condition := items(&s, in, atOnce); condition != test.condition {
				t.Errorf("%q: condition %q, want %q, after %q", in, condition, test.condition, found)
			}
			// The list says truly what the standard library would let through.
			if err := strictly(in); (err == nil) != test.lax {
				t.Errorf("%q: encoding/xml says %v", in, err)
			}
		})
	}
}

// strictly reads all of in with encoding/xml.
func strictly(in string) error {
	d := xml.NewDecoder(strings.NewReader(in))
	for {
		switch _, err := d.Token(); {
		case err == io.EOF:
			return nil
		case err != nil:
			// A stream that is only begun is no error of its own.
			if e, ok := err.(*xml.SyntaxError); ok && e.Msg == "unexpected EOF" {
				return nil
			}
			return err
		}
	}
}

// accepted is what is legal however odd it looks.
var accepted = []struct{ name, in string }{
	{"CDATA section", "<a><![CDATA[<&>]] ]>]]]]></a>"},
	{"empty CDATA section", "<a><![CDATA[]]></a>"},
	{"CDATA section with brackets at its end", "<a><![CDATA[]]]]]]></a>"},
	{"> in text", "<a>></a>"},
	{"]> in text", "<a>]></a>"},
	{"]] > in text", "<a>]] ></a>"},
	{"]]&gt; in text", "<a>]]&gt;</a>"},
	{"> in a value", "<a b='>]]>'/>"},
	{"quotes in quotes", `<a b='"' c="'"/>`},
	{"> behind brackets in a value", "<a b=']]'>x</a>"},
	{"predefined entities", "<a b='&lt;&gt;&amp;&apos;&quot;'>&lt;&gt;&amp;&apos;&quot;</a>"},
	{"references to characters", "<a>&#65;&#x41;&#x0000000000000000041;&#x10FFFF;&#xfffd;&#9;</a>"},
	{"white space in tags", "<a\t\r\n b\n=\r'c'\t></a \n>"},
	{"white space in an empty-element tag", "<a />"},
	{"DEL", "<a>\x7F</a>"},
	{"last characters", "<a>\uD7FF\uE000\uFFFD\U00010000\U0001FFFE\U0010FFFF</a>"},
	{"names", "<\u00E4\u0301.-_1 \u4E00='x'/>"},
	{"prefix used before it is declared", "<x:a x:b='c' xmlns:x='u'/>"},
	{"prefix declared again", "<x:a xmlns:x='u'><x:b xmlns:x='v'/><x:c/></x:a>"},
	{"same local name, other namespace", "<a xmlns:x='u' xmlns:y='v' x:b='1' y:b='2' b='3'/>"},
	{"xml:lang and xml:space", "<a xml:lang='en' xml:space='preserve'/>"},
	{"xml declared as what it is", "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>"},
	{"no default namespace", "<a xmlns=''><b xmlns='u'><c xmlns=''/></b></a>"},
	{"names that begin like declarations", "<xmlnsa xmlnsb='c'/>"},
	{"namespace with references", "<a xmlns:x='&#117;&amp;'><x:b/></a>"},
	{"elements without space between", "<a/><b></b><c/>"},
	{"same name within itself", "<a><a><a/></a></a>"},
	{"text in four alphabets", "<a>aä水𐍈 aä水𐍈</a>"},
	{"whole stanza", "<message to='a'><body>x</body> <x xmlns='jabber:x:oob'><url>http://a?b&amp;c</url></x></message>"},
}

func TestAccepted(t *testing.T) {
	for _, test := range accepted {
		t.Run(test.name, func(t *testing.T) {
			var s Scanner
			found, condition := items(&s, stream(test.in), atOnce)
			if condition != "" {
				t.Fatalf("%q: %v", test.in, s.err)
			}
			if last := found[len(found)-1]; last != "footer" {
				t.Errorf("%q: ended with %s", test.in, last)
			}
			if err := sameTokens(stream(test.in)); err != nil {
				t.Error(err)
			}
		})
	}
}
