// Package config lets a service declare its options the way a program declares its flags: bound to a
// variable, with a name, a default and a sentence of help.
//
//	o := h.Options()
//	o.Duration(&p.interval, "interval", time.Minute, "how long a client may be silent").Between(time.Second, time.Hour)
//
// One declaration serves the configuration file, `linnet config show`, the commented sample and the
// reference. The package owns declarations, types and checks of values. It does not read files: that is
// appliance/settings, which assigns values to what was declared here and gathers every problem before
// anything starts.
//
// A Schema belongs to one generation. It is filled and assigned to by one goroutine before the services
// start, and never changes after that: options do not change under a running instance.
package config
