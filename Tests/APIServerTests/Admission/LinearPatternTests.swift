import Testing

@testable import APIServer

@Suite("patterns", .timeLimit(.minutes(5)))
struct LinearPatternTests {
    @Test(
        "a pattern is found where RE2 finds it",
        arguments: [
            ("", "", true), ("", "x", true), ("a", "bab", true), ("a", "b", false),
            ("^a", "ab", true), ("^b", "ab", false), ("b$", "ab", true), ("a$", "ab", false), ("^$", "", true),
            ("^a*$", "aaa", true), ("^a*$", "aab", false), ("^a+$", "", false), ("^ab?c$", "ac", true),
            ("^a{2}$", "aa", true), ("^a{2}$", "aaa", false), ("^a{2,}$", "aaaa", true), ("^a{0,2}$", "aaa", false),
            ("^a{1,3}$", "aaa", true), ("^a{,3}$", "a{,3}", true), ("^a{x$", "a{x", true),
            ("^(a|bc|)$", "bc", true), ("^(a|bc|)$", "", true), ("^(a|bc)$", "c", false), ("a|^b$", "xa", true),
            ("^(?:ab)+$", "abab", true), ("^(?P<name>a)(?<other>b)$", "ab", true),
            ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-b", true), ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-", false),
            ("^[^a-c]$", "d", true), ("^[^a-c]$", "b", false), ("^[]a]+$", "]a", true), ("^[a\\]-]+$", "-]a", true),
            ("^[a-]$", "-", true), ("^[\\d.]+$", "1.2", true), ("^[^\\s]$", " ", false), ("^[[:alpha:]_]+$", "a_B", true),
            ("^[[:^digit:]]$", "7", false), ("^\\d{3}-\\D\\w\\W\\s\\S$", "123-ab- x", true),
            ("^.$", "\n", false), ("(?s)^.$", "\n", true), ("(?m)^b$", "a\nb\nc", true), ("^b$", "a\nb\nc", false),
            ("(?i)^straße$", "STRAßE", true), ("^a(?i)b$", "aB", true), ("^(?i:a)b$", "AB", false), ("^(?-i)a$", "a", true),
            ("(?i)^[a-c]$", "B", true), ("(?i)^[^a-c]$", "B", false),
            ("\\bword\\b", "a word.", true), ("\\bword\\b", "swords", false), ("\\Bor\\B", "word", true),
            ("\\Aa\\z", "a", true), ("^\\x41\\x{1F600}\\n\\t\\.\\0$", "A😀\n\t.\0", true), ("^\\Qa.b*\\E+$", "a.b**", true),
            ("^.$", "😀", true), ("^\\p{Lu}\\pL\\P{N}$", "Äöx", true), ("^\\p{Lu}$", "ä", false), ("^\\p{^Lu}$", "ä", true),
            ("^(a*)*$", "aaa", true), ("^(a*)+b$", "aac", false), ("^(){1000}$", "", true),
            ("(((){1000}){1000}){1000}", "x", true),
            ("^a*?b$", "aab", true), ("^(a+|b)*?$", "abab", true),
        ])
    func found(pattern: String, text: String, isFound: Bool) throws {
        #expect(try LinearPattern(pattern).isFound(in: text) == isFound)
    }

    @Test(
        "what is no pattern of RE2 is refused with the place",
        arguments: [
            ("(", "missing closing )"), ("a)", "unexpected )"), ("[a", "missing closing ]"), ("[b-a]", "invalid character class"),
            ("*a", "missing argument"), ("a**", "invalid nested repetition"), ("a{2}{3}", "invalid nested repetition"),
            ("a{1001}", "invalid repeat count"), ("a{3,2}", "invalid repeat count"), ("(?=a)", "unsupported Perl syntax"),
            ("(?!a)", "unsupported Perl syntax"), ("(?<=a)", "unsupported Perl syntax"), ("(?<!a)", "unsupported Perl syntax"),
            ("(a)\\1", "invalid escape"), ("\\k<a>", "invalid escape"), ("a\\", "trailing backslash"),
            ("\\xZZ", "invalid escape"),
            ("\\x{110000}", "invalid escape"), ("\\p{Greek}", "unsupported character class"),
            ("[[:word2:]]", "invalid character"),
            ("(a{1000}){1000}", "too large"), (String(repeating: "(", count: 5000), "nests too deeply"),
            (String(repeating: "a", count: 70_000), "too large"), ("(?z)a", "unsupported Perl syntax"), ("(?i", "unsupported"),
        ])
    func refused(pattern: String, why: String) {
        let fault = #expect(throws: LinearPattern.Fault.self) { try LinearPattern(pattern) }
        #expect(fault?.description.contains(why) == true, "\(pattern.prefix(40)): \(fault?.description ?? "")")
    }

    // One object with such a value held a thread of the server for ever.
    @Test(
        "a pattern that others try for ever is done with at once",
        arguments: ["^(a+)+$", "^(a|a)*$", "^(a*)*b?$", "(.*)(.*)(.*)=$"])
    func hard(pattern: String) throws {
        #expect(try !LinearPattern(pattern).isFound(in: String(repeating: "a", count: 10_000) + "!"))
    }

    @Test("random patterns are found as the slow obvious matcher finds them")
    func oracle() throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SeededGenerator(state: seed)
        for _ in 0..<2000 {
            let pattern = Self.pattern(3, &random)
            let text = String((0..<Int.random(in: 0...6, using: &random)).map { _ in "abc".randomElement(using: &random) ?? "a" })
            let wanted = try Regex("^(?:\(pattern))$").firstMatch(in: text) != nil
            #expect(
                try LinearPattern("^(?:\(pattern))$").isFound(in: text) == wanted, "seed \(seed): \(pattern) in \"\(text)\"")
        }
    }

    private static func pattern(_ depth: Int, _ random: inout SeededGenerator) -> String {
        func inner() -> String { pattern(depth - 1, &random) }
        switch depth == 0 ? 0 : Int.random(in: 0..<7, using: &random) {
        case 0: return ["a", "b", "c", ".", "[ab]", "[^a]"].randomElement(using: &random) ?? "a"
        case 1: return "(?:\(inner())|\(inner()))"
        case 2: return "(?:\(inner()))*"
        case 3: return "(?:\(inner()))?"
        case 4: return "(?:\(inner())){1,2}"
        default: return inner() + inner()
        }
    }
}
