/// Plays a scenario on a stage, step by step.
public struct ScenarioRun {
    private let scenario: Scenario
    private let stage: any ScenarioStage
    private let clock: any Clock<Duration>
    private let say: @Sendable (String) -> Void
    private var remembered: [String: [String]]?
    /// How many answers each stream had when the step began.
    private var counted: [String: Int]?

    /// - Parameter say: told of each step when it is done, in a line for a person.
    public init(
        _ scenario: Scenario, on stage: any ScenarioStage, clock: any Clock<Duration>, say: @escaping @Sendable (String) -> Void
    ) {
        (self.scenario, self.stage, self.clock, self.say) = (scenario, stage, clock, say)
    }

    /// Why a scenario ended early: the step, and what was so instead.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        public var path: String
        public var step: Scenario.Step
        public var found: String

        public var description: String { "\(path):\(step.line): “\(step.text)”: \(found)" }
    }

    /// - Throws: ``Failure`` of the first step that did not come true in time; a `CancellationError` when cancelled.
    public mutating func play() async throws {
        for step in scenario.steps {
            let (missing, elapsed) = try await attempt(step)
            if let missing {
                say("✘ \(step.text)")
                throw Failure(path: scenario.path, step: step, found: missing)
            }
            say("✔ \(step.text)\(elapsed < .milliseconds(100) ? "" : " (\(Self.seconds(elapsed)) s)")")
        }
    }

    private mutating func attempt(_ step: Scenario.Step) async throws -> (missing: String?, elapsed: Duration) {
        counted = nil
        var pause = Duration.milliseconds(20)
        var elapsed = Duration.zero
        while true {
            // What a step costs counts too: a probe that is not answered takes its time.
            var missing: String?
            do {
                elapsed += try await measured { missing = try await shortfall(step.action) }
            } catch let error as CancellationError {
                throw error
            } catch let failure as ScenarioRefusal {
                return (failure.message, elapsed)
            } catch {
                missing = "\(error)"
            }
            guard missing != nil, elapsed < step.patience else { return (missing, elapsed) }
            try await clock.sleep(for: pause)
            elapsed += pause
            pause = min(pause * 2, .milliseconds(500))
        }
    }

    private func measured(_ work: () async throws -> Void) async throws -> Duration {
        try await clock.measure(work)
    }

    private static func seconds(_ duration: Duration) -> String {
        let tenths = (duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000 + 50) / 100
        return "\(tenths / 10).\(tenths % 10)"
    }
}

/// A step that will not come true by waiting.
struct ScenarioRefusal: Error {
    var message: String
}

// MARK: - Steps

extension ScenarioRun {
    /// Does what a step says.
    ///
    /// - Returns: what is not so yet; `nil` when the step is done.
    private mutating func shortfall(_ action: Scenario.Action) async throws -> String? {
        switch action {
        case .apply(let trees, let namespace):
            for tree in trees { try await stage.apply(tree, namespace: namespace) }
            return nil
        case .patch(let name, let patch):
            try await stage.patch(name, patch)
            return nil
        case .delete(let name):
            try await stage.delete(name)
            return nil
        case .expect(let name, let condition): return try await shortfall(of: name, condition)
        case .count(let word, let namespace, let labels, let count):
            let found = try await stage.objects(word, namespace: namespace, labels: labels).count
            return found == count ? nil : "there are \(found)"
        case .reach(let from, let to, let probe, let isExpected):
            let answers = try await stage.reach(from: from, to: to, probe)
            guard !answers.isEmpty else { return "\(to) has no address yet" }
            let wrong = answers.filter { ($0.silence == nil) != isExpected }
            guard !wrong.isEmpty else { return nil }
            return wrong.map { "\($0.address): \($0.silence ?? "answers \(from)")" }.joined(separator: "; ")
        case .seen(let from, let to, let probe, let place):
            let answers = try await stage.sight(from: from, to: to, probe)
            guard !answers.isEmpty else { return "\(to) has no address yet" }
            let wanted = try await stage.addresses(of: place)
            let wrong = answers.compactMap { Self.strangeness(of: $0, wanted, place) }
            return wrong.isEmpty ? nil : wrong.joined(separator: "; ")
        case .reachAll: return try await stage.reachAll()
        case .run(let place, let command, let expectations):
            let answer = try await stage.run(place, command)
            return Self.shortfall(of: answer, expectations)
        case .kill(let part):
            try await stage.kill(part)
            return nil
        case .pause(let node, let isPaused):
            try await stage.pause(agentOf: node, isPaused: isPaused)
            return nil
        case .power(let node, let isOn):
            try await stage.power(node: node, isOn: isOn)
            return nil
        case .add(let node):
            try await stage.add(node: node)
            return nil
        case .remove(let node):
            try await stage.remove(node: node)
            return nil
        case .renumber(let node):
            try await stage.renumber(node: node)
            return nil
        case .backend(let words):
            try await stage.changeBackend(words)
            return nil
        case .stream(let from, let to, let probe):
            guard try await !stage.addresses(of: to).isEmpty else { return "\(to) has no address yet" }
            try await stage.stream(from: from, to: to, probe)
            return nil
        case .unbroken: return try await breaks()
        case .remember:
            remembered = try await stage.inventory()
            return nil
        case .unchanged:
            guard let remembered else { throw ScenarioRefusal(message: "nothing is kept in mind; “remember” comes before it") }
            return Self.difference(remembered, try await stage.inventory())
        }
    }

    /// What is wrong with an answer that is to have come to one of these addresses; `nil` for nothing.
    private static func strangeness(
        of answer: ScenarioReach, _ wanted: [String], _ place: Scenario.Place
    ) -> String? {
        if let silence = answer.silence { return "\(answer.address): \(silence)" }
        guard let seen = answer.seen else { return "\(answer.address): the answer does not say whom it saw" }
        guard !wanted.contains(seen) else { return nil }
        return "\(answer.address) saw \(seen), and \(place) is \(wanted.isEmpty ? "nowhere" : wanted.joined(separator: ", "))"
    }

    /// So many answers show that a stream goes on.
    private static let enough = 10

    /// What is wrong with the streams; `nil` when each goes on and has lost nothing.
    private mutating func breaks() async throws -> String? {
        let streams = try await stage.streams()
        guard !streams.isEmpty else { throw ScenarioRefusal(message: "there is no stream; “stream” comes before it") }
        let broken = streams.filter { $0.lost > 0 }
        guard broken.isEmpty else {
            throw ScenarioRefusal(
                message: broken.map { "\($0.way) lost \($0.lost), after \($0.answered) answers: \($0.first)" }.joined(
                    separator: "; "))
        }
        let before = counted ?? Dictionary(streams.map { ($0.way, $0.answered) }) { $1 }
        counted = before
        let still = streams.filter { $0.answered < (before[$0.way] ?? 0) + Self.enough }
        return still.isEmpty ? nil : "no answers come any more: " + still.map(\.way).joined(separator: ", ")
    }

    private func shortfall(of name: Scenario.Name, _ condition: Scenario.Condition) async throws -> String? {
        let tree = try await stage.object(name)
        switch condition {
        case .exists: return tree == nil ? "there is none" : nil
        case .isGone: return tree == nil ? nil : "it is there"
        case .field(let query, let isEqual, let wanted):
            guard let tree else { return "there is none" }
            let found = FieldQuery.text(query.value(in: tree))
            return (found == wanted) == isEqual ? nil : "it is “\(found)”"
        }
    }

    /// Without an expectation of its own a command must end with 0.
    static func shortfall(of answer: ScenarioAnswer, _ expectations: [Scenario.Expectation]) -> String? {
        var expectations = expectations
        let saysCode = expectations.contains { if case .exit = $0 { true } else { false } }
        if !saysCode { expectations.append(.exit(0)) }
        let lines = answer.output.split(separator: "\n", omittingEmptySubsequences: false)
        for expectation in expectations {
            let holds: Bool =
                switch expectation {
                case .contains(let text): answer.output.contains(text)
                case .lacks(let text): !answer.output.contains(text)
                case .matches(let pattern):
                    (try? Regex(pattern)).map { regex in lines.contains { (try? regex.firstMatch(in: $0)) != nil } } ?? false
                case .exit(let code): answer.code == code
                }
            guard !holds else { continue }
            if case .exit = expectation, answer.output.isEmpty { return "it ended with \(answer.code)" }
            return "not so: “\(expectation)”; it ended with \(answer.code) and wrote:\n"
                + lines.map { "    \($0)" }.joined(separator: "\n")
        }
        return nil
    }

    private static func difference(_ before: [String: [String]], _ after: [String: [String]]) -> String? {
        var text: [String] = []
        for node in Set(before.keys).union(after.keys).sorted() {
            let (old, new) = (before[node] ?? [], after[node] ?? [])
            text += new.difference(from: old).sorted { $0.offset < $1.offset }.map { change in
                switch change {
                case .insert(_, let line, _): "    \(node): + \(line)"
                case .remove(_, let line, _): "    \(node): - \(line)"
                }
            }
        }
        return text.isEmpty ? nil : "not as it was kept in mind:\n" + text.joined(separator: "\n")
    }
}

extension CollectionDifference.Change {
    fileprivate var offset: Int {
        switch self {
        case .insert(let offset, _, _), .remove(let offset, _, _): offset
        }
    }
}
