package control

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestObjects(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       object
		fails      bool
	}{
		{name: "empty", text: "{}", want: object{}},
		{name: "all kinds", text: ` { "a" : "x" , "b":true,"c":false,"d":[],"e":["1","2"] } ` + "\n",
			want: object{"a": {"x"}, "b": {"true"}, "c": {"false"}, "d": {}, "e": {"1", "2"}}},
		{name: "escapes", text: `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, want: object{"a": {"\"\\/\b\f\n\r\té😀"}}},
		{name: "number", text: `{"a":1}`, fails: true},
		{name: "null", text: `{"a":null}`, fails: true},
		{name: "object inside", text: `{"a":{}}`, fails: true},
		{name: "list inside", text: `{"a":[[]]}`, fails: true},
		{name: "twice", text: `{"a":"1","a":"2"}`, fails: true},
		{name: "comma at the end", text: `{"a":"1",}`, fails: true},
		{name: "comma in a list", text: `{"a":["1",]}`, fails: true},
		{name: "unfinished", text: `{"a":"1"`, fails: true},
		{name: "unfinished text", text: `{"a":"1`, fails: true},
		{name: "more behind", text: `{}{}`, fails: true},
		{name: "control character", text: "{\"a\":\"\x01\"}", fails: true},
		{name: "bad escape", text: `{"a":"\x"}`, fails: true},
		{name: "half a pair", text: `{"a":"\ud83d"}`, fails: true},
		{name: "wrong pair", text: `{"a":"\ud83dA"}`, fails: true},
		{name: "short escape", text: `{"a":"\u00e"}`, fails: true},
		{name: "not UTF-8", text: "{\"a\":\"\xff\"}", fails: true},
		{name: "nothing", text: "", fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseObject([]byte(tc.text))
			if (err != nil) != tc.fails || !tc.fails && !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestAppendObject(t *testing.T) {
	got := string(appendObject(nil, field{key: "a", text: "x\"\n"}, field{key: "b", text: "true", flag: true}, field{key: "c", list: []string{"1", "2"}}, field{key: "d", list: []string{}}))
	if want := `{"a":"x\"\n","b":true,"c":["1","2"],"d":[]}` + "\n"; got != want {
		t.Errorf("got %s", got)
	}
}

// What this reader takes, encoding/json reads to the same values.
func FuzzObject(f *testing.F) {
	f.Add(`{"argv":["user","add"],"color":true,"dir":"/home/é\ud83d\ude00"}`)
	f.Add(`{"a":[],"b":false}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseObject([]byte(text))
		if err != nil {
			return
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("%q is no JSON: %v", text, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%q has %d members, not %d", text, len(want), len(got))
		}
		for key, value := range want {
			var texts []string
			switch v := value.(type) {
			case string:
				texts = []string{v}
			case bool:
				texts = []string{map[bool]string{true: "true", false: "false"}[v]}
			case []any:
				texts = []string{}
				for _, item := range v {
					texts = append(texts, item.(string))
				}
			default:
				t.Fatalf("%q has a member of another kind", text)
			}
			if !reflect.DeepEqual(got[key], texts) {
				t.Errorf("%q: %q is %q, want %q", text, key, got[key], texts)
			}
		}
	})
}

// Whatever words are typed, they name a command, ask for help, or are refused.
func FuzzWords(f *testing.F) {
	f.Add("user add alice@example.org -admin --json")
	f.Add("say -- -x -watch 2s -kind=")
	f.Add("-h")
	f.Add("help user add")
	w := new(world)
	w.declare()
	f.Fuzz(func(t *testing.T, line string) {
		words, err := parse(w.set.All(), strings.Fields(line), "/dir")
		if words == nil || err == nil && (words.command == nil) == (words.help == nil) {
			t.Errorf("%q: %+v, %v", line, words, err)
		}
	})
}
