internal import KubeAPI
internal import KubeClient

/// The words of a statement, taken one after the other.
struct ScenarioWords {
    private let statement: ScenarioStatement
    private let path: String
    private var words: ArraySlice<String>
    private var patience = Scenario.usualPatience

    init(_ statement: ScenarioStatement, path: String) {
        (self.statement, self.path) = (statement, path)
        words = statement.text.split(whereSeparator: \.isWhitespace).map(String.init)[...]
    }

    func fault(_ message: String) -> ScenarioTextError {
        ScenarioTextError(path: path, line: statement.line, message: message)
    }

    mutating func next(_ meaning: String) throws(ScenarioTextError) -> String {
        guard let word = words.popFirst() else { throw fault("“\(statement.text)” needs \(meaning)") }
        return word
    }

    mutating func number(_ meaning: String, in range: ClosedRange<Int>) throws(ScenarioTextError) -> Int {
        let word = try next(meaning)
        guard let number = Int(word), range.contains(number) else {
            throw fault("“\(word)”: \(meaning) is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Everything that is left, with the blanks between words as they were written.
    mutating func rest() -> String {
        guard !words.isEmpty else { return "" }
        var text = Substring(statement.text)
        for _ in words.startIndex..<words.startIndex + taken { text = Self.withoutFirstWord(text) }
        words = []
        return String(text)
    }

    mutating func remaining() -> [String] {
        defer { words = [] }
        return Array(words)
    }

    func end() throws(ScenarioTextError) {
        if let word = words.first { throw fault("“\(word)” is not understood here") }
    }

    private var taken: Int { statement.text.split(whereSeparator: \.isWhitespace).count - words.count }

    private static func withoutFirstWord(_ text: Substring) -> Substring {
        text.drop { !$0.isWhitespace }.drop(while: \.isWhitespace)
    }
}

// MARK: - Choices

extension ScenarioWords {
    /// Everything that is left, between bars: `--backend vxlan | --backend host-gw`.
    mutating func alternatives(_ word: String) throws(ScenarioTextError) -> [[String]] {
        let list = remaining().split(separator: "|", omittingEmptySubsequences: false).map(Array.init)
        guard list.count > 1 || !(list.first ?? []).isEmpty else { throw fault("“\(word)” needs options of tulle lab up") }
        // Nothing may be one of the choices, and says nothing as a condition.
        guard word == "each" || !list.contains([]) else { throw fault("“\(word)” has nothing between two bars") }
        return list
    }

    /// `where --families ipv4 | --families dual: STEP`
    mutating func conditionalStep(namespace: String) throws(ScenarioTextError) -> Scenario.Step {
        guard let end = words.firstIndex(where: { $0.hasSuffix(":") }) else {
            throw fault("a colon ends the options, and the step follows: where --backend none: on node-1: ip route")
        }
        var condition = self
        condition.words = words[...end]
        condition.words[end].removeLast()
        if condition.words[end].isEmpty { condition.words.removeLast() }
        words = words[(end + 1)...]
        var inner = statement
        inner.text = rest()
        var step = ScenarioWords(inner, path: path)
        var read = try step.step(try step.next("a step"), namespace: namespace)
        (read.conditions, read.text) = (try condition.alternatives("where"), statement.text)
        return read
    }
}

// MARK: - Steps

extension ScenarioWords {
    /// The verbs, as the error for an unknown one names them.
    static let verbs = [
        "apply", "patch", "delete", "wait", "reach", "noreach", "in", "on", "kubectl", "kill", "pause", "resume", "stop", "start",
        "add", "remove", "renumber", "backend", "stream", "unbroken", "remember", "unchanged",
    ]

    mutating func step(_ verb: String, namespace: String) throws(ScenarioTextError) -> Scenario.Step {
        try takePatience(verb)
        let action = try action(verb, namespace: namespace)
        if case .apply = action {
        } else if case .run = action {
        } else if !statement.block.isEmpty {
            throw ScenarioTextError(path: path, line: statement.line + 1, message: "nothing belongs below “\(verb)”")
        }
        try end()
        return Scenario.Step(line: statement.line, text: statement.text, action: action, patience: patience)
    }

    /// `within 10s` at the end; after a command it would be the command's.
    private mutating func takePatience(_ verb: String) throws(ScenarioTextError) {
        guard !["in", "on", "kubectl", "patch"].contains(verb), words.count >= 2, words.dropLast().last == "within" else {
            return
        }
        let word = words.removeLast()
        words.removeLast()
        let unit: [Character: Duration] = ["s": .seconds(1), "m": .seconds(60)]
        guard let last = word.last, let size = unit[last], let count = Int(word.dropLast()), (1...3600).contains(count) else {
            throw fault("“\(word)”: a time is written 10s or 2m")
        }
        patience = size * count
    }

    private mutating func action(_ verb: String, namespace: String) throws(ScenarioTextError) -> Scenario.Action {
        switch verb {
        case "apply": return .apply(try objects(), namespace: namespace)
        case "patch":
            let name = try name(namespace)
            let text = rest()
            guard let tree = try? JSONReader().value(Array(text.utf8)), tree.object != nil else {
                throw fault("a patch is a JSON object: patch deployment/web {\"spec\":{\"replicas\":3}}")
            }
            return .patch(name, tree)
        case "delete": return .delete(try name(namespace))
        case "wait": return try wait(namespace)
        case "reach", "noreach": return try reach(namespace, isExpected: verb == "reach")
        case "in": return .run(try self.verbPlace(namespace, default: "pod"), try command(), try expectations())
        case "on": return .run(try self.verbPlace(namespace, default: "node"), try command(), try expectations())
        case "kubectl":
            let words = ["kubectl"] + remaining()
            guard words.count > 1 else { throw fault("kubectl needs arguments") }
            return .run(.host, words, try expectations())
        case "kill":
            switch try next("api-server or agent") {
            case "api-server": return .kill(.apiServer)
            case "agent": return .kill(.agent(node: try next("the node whose agent it is")))
            case let word: throw fault("“\(word)”: what can be killed is api-server, or the agent of a node: kill agent n1")
            }
        case "pause", "resume":
            let word = try next("agent and a node")
            guard word == "agent" else { throw fault("“\(word)”: what can be paused is the agent of a node: \(verb) agent n1") }
            return .pause(node: try next("the node whose agent it is"), isPaused: verb == "pause")
        case "stop": return .power(node: try next("a node"), isOn: false)
        case "start": return .power(node: try next("a node"), isOn: true)
        case "add": return .add(node: try next("a node: node-4"))
        case "remove": return .remove(node: try next("a node"))
        case "renumber": return .renumber(node: try next("a node"))
        case "backend":
            guard !words.isEmpty else { throw fault("backend needs a backend: backend vxlan") }
            return .backend(remaining())
        case "stream": return try stream(namespace)
        case "unbroken": return .unbroken
        case "remember": return .remember
        case "unchanged": return .unchanged
        default: throw fault("“\(verb)” is no step; the steps are \(Self.verbs.joined(separator: ", "))")
        }
    }

    private mutating func name(_ namespace: String) throws(ScenarioTextError) -> Scenario.Name {
        let word = try next("an object: deployment/web")
        let parts = word.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw fault("“\(word)”: an object is written kind/name, as in deployment/web")
        }
        return Scenario.Name(word: parts[0], name: parts[1], namespace: namespace)
    }

    private mutating func wait(_ namespace: String) throws(ScenarioTextError) -> Scenario.Action {
        guard let first = words.first else { throw fault("wait needs an object, or a kind and a count") }
        guard first.contains("/") else {
            _ = words.popFirst()
            var labels: [String] = []
            while let word = words.first, word != "count" {
                labels.append(word)
                _ = words.popFirst()
            }
            guard words.popFirst() == "count" else {
                throw fault("“\(first)” without a name is counted: wait pods app=web count 3")
            }
            let count = try number("how many", in: 0...100_000)
            return .count(word: first, namespace: namespace, labels: labels.joined(separator: ","), count)
        }
        let name = try name(namespace)
        switch try next("exists, gone, or a field: .status.phase = Running") {
        case "exists": return .expect(name, .exists)
        case "gone": return .expect(name, .isGone)
        case let word:
            guard let query = FieldQuery(word) else { throw fault("“\(word)” is no field; one is written .status.phase") }
            let sign = try next("= or !=")
            guard sign == "=" || sign == "!=" else { throw fault("“\(sign)” stands where = or != belongs") }
            return .expect(name, .field(query, isEqual: sign == "=", remaining().joined(separator: " ")))
        }
    }

    private mutating func reach(_ namespace: String, isExpected: Bool) throws(ScenarioTextError) -> Scenario.Action {
        if words.first == "all", isExpected {
            _ = words.popFirst()
            return .reachAll
        }
        let (from, to) = try way(namespace)
        let probe = try probe()
        guard isExpected, probe != .ping, words.first == "as" else {
            return .reach(from: from, to: to, probe, isExpected: isExpected)
        }
        _ = words.popFirst()
        return .seen(from: from, to: to, probe, as: try place(try next("whom the other end sees: pod/a"), namespace))
    }

    private mutating func stream(_ namespace: String) throws(ScenarioTextError) -> Scenario.Action {
        let (from, to) = try way(namespace)
        let probe = try probe()
        guard probe != .ping else { throw fault("a stream goes by tcp PORT or udp PORT") }
        return .stream(from: from, to: to, probe)
    }

    private mutating func way(_ namespace: String) throws(ScenarioTextError) -> (from: Scenario.Place, to: Scenario.Place) {
        let from = try place(try next("from where: pod/a"), namespace)
        guard words.popFirst() == "->" else { throw fault("a way is written pod/a -> pod/b") }
        let to = try place(try next("where to: pod/b"), namespace)
        switch from {
        case .pod, .node: return (from, to)
        default: throw fault("“\(from)”: packets start at a pod or a node: pod/a, node/n1")
        }
    }

    private mutating func probe() throws(ScenarioTextError) -> Scenario.Probe {
        guard let word = words.popFirst(), word != "ping" else { return .ping }
        guard word == "tcp" || word == "udp" else { throw fault("“\(word)”: a way is tried by ping, tcp PORT or udp PORT") }
        let port = UInt16(try number("a port", in: 1...65535))
        return word == "tcp" ? .tcp(port) : .udp(port)
    }

    private func place(_ word: String, _ namespace: String) throws(ScenarioTextError) -> Scenario.Place {
        let parts = word.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, ["pod", "node", "service"].contains(parts[0]) else {
            // An address may be on either side of a way; a command runs nowhere else than in a pod or on a node.
            return .address(word)
        }
        guard !parts[1].isEmpty else { throw fault("“\(word)” has no name") }
        switch parts[0] {
        case "pod": return try pod(word, namespace)
        case "service": return .service(namespace: namespace, name: parts[1])
        default: return .node(parts[1])
        }
    }

    /// `in web-0: …` is a pod, `on n1: …` a node; the colon ends the name.
    private mutating func verbPlace(_ namespace: String, default kind: String) throws(ScenarioTextError) -> Scenario.Place {
        let word = try next("a name and a colon: \(kind == "pod" ? "in web-0: hostname" : "on n1: ip route")")
        guard word.hasSuffix(":"), word.count > 1 else {
            throw fault("“\(word)”: a colon ends the name, and the command follows")
        }
        let name = String(word.dropLast())
        return kind == "pod" ? try pod(name, namespace) : .node(name)
    }

    private func pod(_ word: String, _ namespace: String) throws(ScenarioTextError) -> Scenario.Place {
        guard let pod = PodReference(word) else { throw fault("“\(word)”: a pod is written \(PodReference.forms)") }
        return .pod(namespace: pod.namespace ?? namespace, name: pod.name)
    }

    private mutating func command() throws(ScenarioTextError) -> [String] {
        let text = rest()
        guard !text.isEmpty else { throw fault("there is no command after the colon") }
        return ["/bin/sh", "-c", text]
    }

    private func expectations() throws(ScenarioTextError) -> [Scenario.Expectation] {
        var expectations: [Scenario.Expectation] = []
        for (offset, line) in statement.block.enumerated() where !line.allSatisfy(\.isWhitespace) {
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            let argument = parts.count == 2 ? parts[1] : ""
            let expectation: Scenario.Expectation? =
                switch parts[0] {
                case "contains" where !argument.isEmpty: .contains(argument)
                case "lacks" where !argument.isEmpty: .lacks(argument)
                case "matches" where (try? Regex(argument)) != nil && !argument.isEmpty: .matches(argument)
                case "exit": Int(argument).map { .exit($0) }
                default: nil
                }
            guard let expectation else {
                throw ScenarioTextError(
                    path: path, line: statement.line + offset + 1,
                    message: "“\(line)”: an answer is said by contains TEXT, lacks TEXT, matches REGEX or exit CODE")
            }
            expectations.append(expectation)
        }
        return expectations
    }

    /// Of the block, or of a file that lies beside the scenario.
    private mutating func objects() throws(ScenarioTextError) -> [JSONValue] {
        do {
            if let file = words.popFirst() {
                guard statement.block.isEmpty else { throw fault("apply takes a file or what is indented below it, not both") }
                let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
                return try ObjectFile.read(file.hasPrefix("/") ? file : directory + file).map(\.tree)
            }
            let text = statement.block.joined(separator: "\n")
            let objects = try ObjectFile.entries(Array(text.utf8), path: path).map(\.tree).filter { !$0.isNull }
            guard !objects.isEmpty else { throw fault("apply needs a file, or objects indented below it") }
            return objects
        } catch let fault as ScenarioTextError {
            throw fault
        } catch {
            guard let error = error as? ObjectFileError, error.path == path, let inside = error.line else {
                throw fault("\(error)")
            }
            throw ScenarioTextError(path: path, line: statement.line + inside, message: error.message)
        }
    }
}
