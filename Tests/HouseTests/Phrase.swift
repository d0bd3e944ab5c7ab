/// A word of Swift that may stand only in certain places, with an example that must be found and one that must not.
struct Phrase: Sendable {
    let name: String
    /// A regular expression over a line of code (comments and literals blanked).
    let pattern: String
    /// One of these stands in every line that the pattern finds: a quick look saves most slow ones.
    let words: [String]
    /// Why, and what to write in its place.
    let reason: String
    let wrong: String
    let right: String
    /// Paths that may say it, each with its reason beside it here.
    var allowed: [String] = []

    struct Finding: CustomStringConvertible {
        let path: String
        let line: Int
        let text: String
        var description: String { "\(path):\(line): \(text)" }
    }

    func findings(in file: SourceFile) throws -> [Finding] {
        guard !allowed.contains(where: file.path.hasPrefix) else { return [] }
        // The default takes `a.b` for one word.
        let regex = try Regex(pattern).wordBoundaryKind(.simple)
        guard words.contains(where: file.wholeCode.holds) else { return [] }
        return file.code.enumerated().filter { line in words.contains(where: line.element.holds) && line.element.contains(regex) }
            .map { index, _ in
                Finding(path: file.path, line: index + 1, text: file.lines[index])
            }
    }
}

extension Phrase {
    /// What code under Sources never says.
    static let never = [
        Phrase(
            name: "try!", pattern: #"\btry!"#, words: ["try!"],
            reason: "throw, or make the state impossible", wrong: "let a = try! b()",
            right: "let a = try? b() // not try!"),
        Phrase(
            name: "as!", pattern: #"\bas!"#, words: ["as!"],
            reason: "match with `as?`, or use a type that knows", wrong: "a as! B",
            right: "a as? B; alias != b"),
        Phrase(
            name: "fatalError", pattern: #"\bfatalError\("#, words: ["fatalError"],
            reason: "a precondition that names itself, or an error",
            wrong: "fatalError()", right: #"preconditionFailure("not a fatalError(")"#),
        Phrase(
            name: "setns", pattern: #"\bsetns\(|\bclinux_setns\(|\bclinux_namespaces_join\("#,
            words: ["setns(", "clinux_namespaces_join("],
            reason: "use NetworkNamespace.perform; a namespace belongs to a descriptor", wrong: "clinux_setns(descriptor, 0)",
            right: "namespace.perform { open() } // setns(2)",
            // The one way in, and the launcher, which becomes a pod.
            allowed: ["Sources/Foundations/Netlink/", "Sources/Foundations/CLinux/", "Sources/Commands/tulle-pod/"]),
    ]

    /// Time, chance and the environment are read by Commands only, and passed on.
    static let world = [
        Phrase(
            name: "a clock",
            pattern: #"\b(Continuous|Suspending)Clock\b|\b(Date|DispatchTime|NIODeadline)\.now\b|(^|[\s(,=:?])\.now\b"#,
            words: ["Clock", ".now"],
            reason: "take a clock or an instant as a parameter", wrong: "let start: Instant = .now",
            right: "let now = surroundings.now(); self.now = now", allowed: commands),
        Phrase(
            name: "the time", pattern: #"\bDate\(\)|\b(clock_gettime|gettimeofday|time)\((nil|&|CLOCK)|\bUUID\(\)"#,
            words: ["Date(", "gettime", "time(", "UUID("],
            reason: "take the time as a parameter", wrong: "clock_gettime(CLOCK_MONOTONIC, &t)",
            right: "Date(timeIntervalSince1970: t)",
            allowed: commands),
        Phrase(
            name: "the dice",
            pattern:
                #"\bSystemRandomNumberGenerator\b|\b(Double|Float|U?Int\d*|Bool)\.random\((?!.*\busing:)|\.randomElement\(\)|\.shuffled?\(\)"#,
            words: ["andom", "shuffle"],
            reason: "take a number between 0 and 1, or a generator, as a parameter", wrong: "let a = Double.random(in: 0..<1)",
            right: "numgen(.random, modulus: 5); all.shuffled(using: &generator); Int.random(in: 0..<5, using: &dice)",
            allowed: commands),
        Phrase(
            name: "the environment",
            pattern: #"\bProcessInfo\b|\b(secure_)?getenv\(|\bCommandLine\.arguments\b|(^|[\s(,=])environ\b"#,
            words: ["ProcessInfo", "getenv(", "CommandLine", "environ"],
            reason: "take what you need as a parameter", wrong: "getenv(name)",
            right: "Errand(environment: environment, input: [])",
            allowed: commands),
    ]

    private static let commands = ["Sources/Commands/"]

    /// What needs a proof right above it, in a comment that begins with `Safe:`.
    static let unproved = Phrase(
        name: "unsafe",
        pattern:
            #"@unchecked\s+Sendable|\bnonisolated\(unsafe\)|\bunowned\(unsafe\)|\bunsafe(BitCast|Downcast)\(|\bUnmanaged\b"#,
        words: ["unsafe", "unchecked", "Unmanaged"],
        reason: "prove it in a comment on the line above that begins with “Safe:”",
        wrong: "final class A: @unchecked Sendable {}",
        right: "bytes.withUnsafeBytes { read($0) }")

    /// Tests wait for what happens, not for time to pass. A clock of a test's own may declare how it sleeps.
    static let sleep = Phrase(
        name: "sleep", pattern: #"^(?!.*\bfunc\s+sleep).*((^|[^.\w])(u|nano)?sleep\(|[\w)]\.sleep\()"#,
        words: ["sleep("],
        reason: "wait for the event itself, or pass a clock that the test moves", wrong: "try await Task.sleep(for: .seconds(1))",
        right: "func sleep(until deadline: Instant) {}; same(next, .sleep(until: .zero))")
}
