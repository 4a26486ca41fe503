package archtest

// floor is one row of the house: every package at prefix or below it stands on that level.
// The longest matching prefix wins.
type floor struct {
	prefix string
	level  int
	// leaf packages of one floor must not import each other's siblings: extensions and edges are removable
	// one by one only as long as none of them knows another.
	separate bool
}

// floors is the table of DESIGN.md section 1. An import may go down or stay on its floor, never up. A package
// that no row covers fails the test, so the table cannot fall behind the tree.
var floors = []floor{
	{prefix: "netsvc/wire", level: 0},
	{prefix: "netsvc/log", level: 0},
	{prefix: "store", level: 1},
	{prefix: "board", level: 1},
	{prefix: "netsvc/config", level: 2},
	{prefix: "netsvc/metric", level: 2},
	{prefix: "netsvc/command", level: 2},
	{prefix: "netsvc/module", level: 2},
	{prefix: "netsvc/event", level: 2},
	{prefix: "netsvc/flow", level: 2},
	{prefix: "netsvc/account", level: 3},
	{prefix: "netsvc/quota", level: 3},
	{prefix: "netsvc/transfer", level: 3},
	{prefix: "netsvc/cert", level: 3},
	{prefix: "netsvc/outside", level: 3},
	{prefix: "netsvc/offer", level: 3},
	{prefix: "netsvc/peer", level: 3},
	{prefix: "netsvc/xmpp", level: 4},
	{prefix: "netsvc/xmpp/stream", level: 5},
	{prefix: "netsvc/xmpp/mod", level: 5, separate: true},
	{prefix: "netsvc/xmpp/xmpptest", level: 5},
	{prefix: "netsvc/xmpp/server", level: 6},
	{prefix: "netsvc/xmpp/edge", level: 7, separate: true},
	{prefix: "netsvc", level: 7, separate: true},
	{prefix: "appliance", level: 8},
	{prefix: "firmware", level: 8},
	{prefix: "cmd", level: 9},
	{prefix: "tinytests", level: 10},
}

// upward lists the imports that point up and may, each with its reason. Keys are "importer -> imported".
var upward = map[string]string{}

// topLevel are the names the project's owner allows at the top of the tree. A trailing * matches the rest.
var topLevel = []string{
	".git", ".ci", ".gitignore", ".gitattributes", ".editorconfig", ".golangci.yml", ".golangci.yaml",
	"LICENSE*", "Makefile", "README.md", "go.mod", "go.sum",
	"appliance", "board", "buildroot", "cmd", "firmware", "netsvc", "store", "tinytests",
	"bin", "var", // built and run, never committed
}

// vagueNames say nothing about what a package does.
var vagueNames = []string{"util", "utils", "common", "core", "types", "misc", "helper", "helpers", "shared", "base", "lib"}

// maxLines is the end of a file that is not a test (house rule 15).
const maxLines = 600

// offDevice are packages that must not be in the program on the device: each costs flash that a board with 16 MB
// lacks, or brings reflection onto a path that runs per stanza. A trailing / means the whole tree.
var offDevice = map[string]string{
	"net/http":      "1.2 MB on mipsle; the web door is a feature of its own and can be left out",
	"text/template": "1.4 MB: it keeps every exported method alive",
	"html/template": "1.4 MB and more",
	"encoding/xml":  "63 allocations a message; netsvc/wire/xmlstream is ours",
	"encoding/gob":  "reflection; batches have their own encoding",
	"regexp":        "compiled at start, slow on a small CPU; patterns here are small enough for code",
	"testing":       "test code has got into the program",
	"net/rpc":       "drags in net/http and gob",
	"expvar":        "drags in net/http",
	"database/sql":  "the store is bbolt only",
	"go/":           "a compiler's parser on a router",
	"plugin":        "needs cgo",

	"golang.org/x/text/cases":         "the letters of all languages, 60 KB with x/text/language; netsvc/wire/precis has what addresses need",
	"golang.org/x/text/secure/precis": "brings x/text/cases; it is the oracle of netsvc/wire/precis",
}

// pure are the packages below netsvc/wire: bytes and values, no world. Keys are packages or functions they may
// not touch.
var impure = map[string]string{
	"net":               "no sockets",
	"os":                "no files, no environment",
	"log":               "no log: an error says it all",
	"linnet/netsvc/log": "no log: an error says it all",
	"syscall":           "no system",
	"runtime":           "no scheduler games",
}

// impureAllowed gives way in single places, "package import" -> reason.
var impureAllowed = map[string]string{}

// clock are the functions of package time that read or wait for the clock; types and formatting are fine.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// noFmt are the packages every stanza passes: fmt there means reflection and garbage per stanza.
var noFmt = []string{
	"netsvc/wire/jid",
	"netsvc/wire/xmlstream",
	"netsvc/wire/stanza",
	"netsvc/flow",
	"netsvc/xmpp/mod/carbons",
	"netsvc/xmpp/mod/csi",
	"netsvc/xmpp/mod/blocking",
	"netsvc/xmpp/mod/ping",
}

// stateAllowed are package-level variables that change, "package.name" -> why that is right.
var stateAllowed = map[string]string{
	"netsvc/module.registry": "factories only, filled by init of the feature files",
	"netsvc/xmpp.registered": "factories only, filled by init of the feature files",
}

// reasonless dependencies are not allowed in go.mod; goVersion is what every builder has.
const goVersion = "1.26.0"
