package rsm

import (
	"testing"

	"linnet/netsvc/wire/xmlstream"
)

func parse(t *testing.T, xml string) *xmlstream.Node {
	t.Helper()
	node, err := xmlstream.Parse([]byte(xml), Space)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func TestRequest(t *testing.T) {
	tests := []struct {
		name, xml string
		want      Request
		err       error
	}{
		// XEP-0059 sections 2.1 to 2.7.
		{name: "limit", xml: "<set><max>10</max></set>", want: Request{Max: 10, HasMax: true}},
		{name: "next page", xml: "<set><max>10</max><after>peterpan@neverland.lit</after></set>", want: Request{Max: 10, HasMax: true, After: "peterpan@neverland.lit"}},
		{name: "previous page", xml: "<set><max>10</max><before>peter@pixyland.org</before></set>", want: Request{Max: 10, HasMax: true, Before: "peter@pixyland.org", HasBefore: true}},
		{name: "last page", xml: "<set><max>10</max><before/></set>", want: Request{Max: 10, HasMax: true, HasBefore: true}},
		{name: "out of order", xml: "<set><max>10</max><index>371</index></set>", want: Request{Max: 10, HasMax: true, Index: 371, HasIndex: true}},
		{name: "count", xml: "<set><max>0</max></set>", want: Request{HasMax: true}},

		{name: "nothing", xml: "<set/>"},
		{name: "empty after", xml: "<set><after/></set>"},
		{name: "white space around a number", xml: "<set><max>\n 10 </max></set>", want: Request{Max: 10, HasMax: true}},
		{name: "greatest", xml: "<set><max>2147483647</max></set>", want: Request{Max: 2147483647, HasMax: true}},
		{name: "unknown children", xml: "<set><flip/><max xmlns='urn:example'>x</max></set>"},

		{name: "too great", xml: "<set><max>2147483648</max></set>", err: ErrNumber},
		{name: "negative", xml: "<set><max>-1</max></set>", err: ErrNumber},
		{name: "no number", xml: "<set><max/></set>", err: ErrNumber},
		{name: "sign", xml: "<set><max>+1</max></set>", err: ErrNumber},
		{name: "hexadecimal", xml: "<set><max>0x10</max></set>", err: ErrNumber},
		{name: "underscore", xml: "<set><max>1_0</max></set>", err: ErrNumber},
		{name: "bad index", xml: "<set><index>x</index></set>", err: ErrNumber},
		{name: "max twice", xml: "<set><max>1</max><max>2</max></set>", err: ErrTwice},
		{name: "after twice", xml: "<set><after>a</after><after>b</after></set>", err: ErrTwice},
		{name: "before twice", xml: "<set><before/><before/></set>", err: ErrTwice},
		{name: "index twice", xml: "<set><index>1</index><index>1</index></set>", err: ErrTwice},
		{name: "after and before", xml: "<set><after>a</after><before>b</before></set>", err: ErrConflict},
		{name: "after and index", xml: "<set><after>a</after><index>1</index></set>", err: ErrConflict},
		{name: "before and index", xml: "<set><before/><index>1</index></set>", err: ErrConflict},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseRequest(parse(t, test.xml))
			if err != test.err || got != test.want {
				t.Fatalf("got %+v, %v; want %+v, %v", got, err, test.want, test.err)
			}
			if err != nil {
				return
			}
			w := xmlstream.NewWriter(Space)
			got.Append(w)
			if again, err := ParseRequest(parse(t, string(w.Bytes()))); err != nil || again != got {
				t.Fatalf("written and read as %+v, %v", again, err)
			}
		})
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, xml string
		ok        bool
		err       error
	}{
		{"there", "<query xmlns='jabber:iq:search'><set xmlns='http://jabber.org/protocol/rsm'/></query>", true, nil},
		{"not there", "<query xmlns='jabber:iq:search'><set/></query>", false, nil},
		{"bad", "<query xmlns='jabber:iq:search'><set xmlns='http://jabber.org/protocol/rsm'><max/></set></query>", false, ErrNumber},
	}
	for _, test := range tests {
		if _, ok, err := Parse(parse(t, test.xml)); ok != test.ok || err != test.err {
			t.Errorf("%s: %v, %v", test.name, ok, err)
		}
	}
	if _, ok, err := Parse(nil); ok || err != nil {
		t.Errorf("no query: %v, %v", ok, err)
	}
}

func TestLimit(t *testing.T) {
	tests := []struct {
		name    string
		request Request
		want    int
	}{
		{"nothing asked", Request{}, 50},
		{"less", Request{Max: 10, HasMax: true}, 10},
		{"none", Request{HasMax: true}, 0},
		{"as many", Request{Max: 50, HasMax: true}, 50},
		{"more", Request{Max: 51, HasMax: true}, 50},
	}
	for _, test := range tests {
		if got := test.request.Limit(50); got != test.want {
			t.Errorf("%s: %d", test.name, got)
		}
	}
}

func TestResult(t *testing.T) {
	tests := []struct {
		name, xml string
		want      Result
		err       error
	}{
		// XEP-0059 section 2.2, examples 4 and 7.
		{name: "page", xml: "<set><first index='0'>stpeter@jabber.org</first><last>peterpan@neverland.lit</last><count>800</count></set>",
			want: Result{First: "stpeter@jabber.org", Last: "peterpan@neverland.lit", HasIndex: true, Count: 800, HasCount: true}},
		{name: "empty page", xml: "<set><count>790</count></set>", want: Result{Count: 790, HasCount: true}},

		{name: "nothing told", xml: "<set/>"},
		{name: "no index, no count", xml: "<set><first>a</first><last>b</last></set>", want: Result{First: "a", Last: "b"}},
		{name: "empty set", xml: "<set><count>0</count></set>", want: Result{HasCount: true}},
		{name: "first without last", xml: "<set><first>a</first></set>", err: ErrPage},
		{name: "empty last", xml: "<set><first>a</first><last/></set>", err: ErrPage},
		{name: "bad index", xml: "<set><first index='a'>a</first><last>b</last></set>", err: ErrNumber},
		{name: "bad count", xml: "<set><count>a</count></set>", err: ErrNumber},
		{name: "count twice", xml: "<set><count>1</count><count>1</count></set>", err: ErrTwice},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseResult(parse(t, test.xml))
			if err != test.err || got != test.want {
				t.Fatalf("got %+v, %v; want %+v, %v", got, err, test.want, test.err)
			}
			if err != nil {
				return
			}
			w := xmlstream.NewWriter(Space)
			got.Append(w)
			if written := string(w.Bytes()); written != test.xml {
				t.Fatalf("written as %s", written)
			}
		})
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("<max>10</max><after>a</after>")
	f.Add("<before/><index>1</index>")
	f.Add("<first index='1'>a</first><last>b</last><count>3</count>")
	f.Fuzz(func(t *testing.T, inner string) {
		set, err := xmlstream.Parse([]byte("<set>"+inner+"</set>"), Space)
		if err != nil {
			return
		}
		if request, err := ParseRequest(set); err == nil {
			w := xmlstream.NewWriter(Space)
			request.Append(w)
			if again, err := ParseRequest(parse(t, string(w.Bytes()))); err != nil || again != request {
				t.Fatalf("%+v became %+v, %v", request, again, err)
			}
		}
		if result, err := ParseResult(set); err == nil {
			w := xmlstream.NewWriter(Space)
			result.Append(w)
			if again, err := ParseResult(parse(t, string(w.Bytes()))); err != nil || again != result {
				t.Fatalf("%+v became %+v, %v", result, again, err)
			}
		}
	})
}
