// Package house holds tests about the code base itself: which package may import which, the language
// level of the core, how large an interface, a file or a function may grow, that the library's names are
// documented, and that no developer's machine leaks into the text. It has no code of its own.
//
// What a test here forbids is changed in the tables at the top of its file, with the reason beside it.
package house
