package kills

// role is what kind of person somebody is.
type role struct {
	name     string
	speaks   bool // sends; everybody else receives
	managed  bool // uses stream management, and resumes where that is possible
	archived bool // has an archive
	absent   bool // comes only between two loads
	restless bool // comes and goes, and loses connections
}

// cast has a receiver of each kind, and senders for whom counting is different: with an archive of their own every
// message goes with a commit.
var cast = []role{
	{name: "romeo", speaks: true, managed: true, archived: true},
	{name: "benvolio", speaks: true, managed: true},
	{name: "mercutio", speaks: true, managed: true, restless: true},
	{name: "juliet", managed: true, archived: true},
	{name: "nurse", managed: true},
	{name: "tybalt", archived: true},
	{name: "paris"},
	{name: "capulet", managed: true, archived: true, absent: true},
	{name: "montague", managed: true, absent: true},
	{name: "lawrence", absent: true},
	{name: "rosaline", managed: true, archived: true, restless: true},
	{name: "samson", managed: true, restless: true},
	{name: "abram", restless: true},
}

func (r role) kind() string {
	kind := "a receiver"
	for _, k := range []struct {
		is   bool
		text string
	}{
		{r.absent, "absent"}, {r.restless, "restless"}, {r.managed, "managed"}, {r.archived, "archived"},
	} {
		if k.is {
			kind += ", " + k.text
		}
	}
	return kind
}
