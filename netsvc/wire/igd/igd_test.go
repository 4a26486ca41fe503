package igd

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestDescriptions(t *testing.T) {
	for _, tc := range []struct {
		file string
		want Description
	}{
		{file: "miniupnpd.xml", want: Description{Services: []Service{{IP2, "/ctl/IPConn"}}}},
		{file: "sloppy.xml", want: Description{Base: "http://192.168.0.1:5431",
			Services: []Service{{IP1, "/upnp?what=ip&line=1"}, {PPP1, "uuid:0011/WANPPPConnection:1"}}}},
	} {
		b, err := os.ReadFile("testdata/" + tc.file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseDescription(b)
		if err != nil || got.Base != tc.want.Base || !slices.Equal(got.Services, tc.want.Services) {
			t.Errorf("%s: %+v, %v", tc.file, got, err)
		}
	}
}

func TestDescriptionRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	service := "<service><serviceType>" + IP1 + "</serviceType><controlURL>/c</controlURL></service>"
	for _, tc := range []struct {
		name, text string
		want       error
	}{
		{name: "nothing", text: "", want: ErrMore},
		{name: "cut in a text", text: "<root><device>", want: ErrMore},
		{name: "cut in a tag", text: "<root><dev", want: ErrMore},
		{name: "cut in a comment", text: "<root><!-- ", want: ErrMore},
		{name: "cut in CDATA", text: "<root><![CDATA[ ", want: ErrMore},
		{name: "document type", text: "<!DOCTYPE root [<!ENTITY a 'b'>]><root/>", want: ErrXML},
		{name: "crossed", text: "<root><a></root></a>", want: ErrXML},
		{name: "two roots", text: "<root/><root/>", want: ErrXML},
		{name: "end without start", text: "</root>", want: ErrXML},
		{name: "nameless", text: "< root/>", want: ErrXML},
		{name: "deep", text: deep(maxDepth)},
		{name: "deeper", text: deep(maxDepth + 1), want: ErrXML},
		{name: "many services", text: "<root>" + strings.Repeat(service, maxList) + "</root>"},
		{name: "more services", text: "<root>" + strings.Repeat(service, maxList+1) + "</root>", want: ErrTooLarge},
		{name: "long text", text: "<root><URLBase>" + strings.Repeat("x", maxText+1) + "</URLBase></root>"},
	} {
		d, err := ParseDescription([]byte(tc.text))
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if d.Base != "" {
			t.Errorf("%s: a text beyond the limit was used", tc.name)
		}
	}
	if d, err := ParseDescription([]byte("<root><URLBase>" + strings.Repeat("x", maxText) + "</URLBase></root>")); err != nil || len(d.Base) != maxText {
		t.Errorf("a text at the limit: %d bytes, %v", len(d.Base), err)
	}
}

func TestCall(t *testing.T) {
	got := string(AppendCall(nil, IP1, "GetExternalIPAddress", Value{"NewProtocol", "a<b"}))
	want := `<?xml version="1.0"?>` + "\r\n" + `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>` +
		`<u:GetExternalIPAddress xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1"><NewProtocol>a&lt;b</NewProtocol>` +
		`</u:GetExternalIPAddress></s:Body></s:Envelope>` + "\r\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAnswers(t *testing.T) {
	envelope := func(body string) string {
		return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` + body + `</s:Body></s:Envelope>`
	}
	a, err := ParseAnswer([]byte(envelope(`<u:GetExternalIPAddressResponse xmlns:u="x"><NewExternalIPAddress>9.9.9.9</NewExternalIPAddress></u:GetExternalIPAddressResponse>`)), "GetExternalIPAddress")
	if err != nil || a.Get("NewExternalIPAddress") != "9.9.9.9" || a.Get("Other") != "" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := ParseAnswer([]byte(envelope(`<u:DeletePortMappingResponse xmlns:u="x"/>`)), "DeletePortMapping"); err != nil {
		t.Errorf("an answer without values: %v", err)
	}
	if _, err := ParseAnswer([]byte(envelope(`<u:OtherResponse xmlns:u="x"/>`)), "DeletePortMapping"); !errors.Is(err, ErrXML) {
		t.Errorf("an answer to something else: %v", err)
	}
	var fault *Fault
	_, err = ParseAnswer([]byte(envelope(`<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>`+
		`<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>718</errorCode><errorDescription>Conflict&#10;InMappingEntry</errorDescription></UPnPError></detail></s:Fault>`)), "AddPortMapping")
	if !errors.As(err, &fault) || fault.Code != Conflict || !strings.Contains(err.Error(), "718 Conflict InMappingEntry") {
		t.Errorf("a fault: %v", err)
	}
	if _, err = ParseAnswer([]byte(envelope(`<s:Fault><faultcode>s:Client</faultcode></s:Fault>`)), "AddPortMapping"); !errors.As(err, &fault) || fault.Code != 0 {
		t.Errorf("a fault without code: %v", err)
	}
	many := strings.Repeat("<a>b</a>", maxList+1)
	if _, err := ParseAnswer([]byte(envelope("<AddPortMappingResponse>"+many+"</AddPortMappingResponse>")), "AddPortMapping"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many values: %v", err)
	}
}

// Whatever is read stays within the limits, and reading it again as part of a call gives the same.
func FuzzDescription(f *testing.F) {
	for _, name := range []string{"miniupnpd.xml", "sloppy.xml"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDescription(b)
		if err != nil {
			return
		}
		if len(d.Base) > maxText || len(d.Services) > maxList {
			t.Errorf("%d bytes of base, %d services", len(d.Base), len(d.Services))
		}
		for _, s := range d.Services {
			if len(s.Control) > maxText {
				t.Errorf("%d bytes of URL", len(s.Control))
			}
			a, err := ParseAnswer(AppendCall(nil, s.Kind, "XResponse", Value{"v", s.Control}), "X")
			if err != nil || a.Get("v") != s.Control {
				t.Errorf("%q became %q, %v", s.Control, a.Get("v"), err)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`<s:Envelope><s:Body><u:XResponse><a>1</a></u:XResponse></s:Body></s:Envelope>`))
	f.Add([]byte(`<e><b><Fault><d><errorCode>718</errorCode></d></Fault></b></e>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAnswer(b, "X")
		var fault *Fault
		if errors.As(err, &fault) && strings.ContainsAny(fault.Error(), "\r\n\x00") {
			t.Errorf("a fault breaks the line: %q", fault.Error())
		}
		if len(a.Values) > maxList {
			t.Errorf("%d values", len(a.Values))
		}
	})
}
