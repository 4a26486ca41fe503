// Package metrics holds the promise of DESIGN.md section 2 on the whole program: what is declared once is seen
// everywhere. Every metric has a number and a syntax for SNMP, and is in OpenMetrics, in `linnet ctl stat`, in the
// commands of the services and in XEP-0039; every event has a number, and so has every value that it carries.
package metrics
