import KubeAPI
import Synchronization
import Testing

@testable import Lab

@Suite("a scenario is played") struct ScenarioRunTests {
    @Test("step by step, each until it holds") func plays() async throws {
        let stage = FakeStage()
        stage.state.withLock { $0.answers = ["Pending", "Pending", "Running"] }
        let told = try await play(
            """
            title it runs
            apply
                kind: Pod
                metadata: {name: a}
            wait pod/a .status.phase = Running
            delete pod/a
            wait pod/a gone
            in b: hostname
                contains b
            """, on: stage)
        #expect(told.count == 5 && told.allSatisfy { $0.hasPrefix("✔") })
        #expect(stage.state.withLock { $0.done } == ["apply a", "delete pod/a", "run pod/b"])
    }

    @Test("a step that does not come true ends it, and says what was so instead") func fails() async {
        let stage = FakeStage()
        stage.state.withLock { $0.answers = ["Pending"] }
        let failure = await #expect(throws: ScenarioRun.Failure.self) {
            try await play("title it runs\nwait pod/a .status.phase = Running within 3s\ndelete pod/a", on: stage)
        }
        #expect(failure?.description == "s.txt:2: “wait pod/a .status.phase = Running within 3s”: it is “Pending”")
        #expect(stage.state.withLock { $0.done }.isEmpty, "nothing was done after it")
    }

    @Test("errors of the cluster are waited out, and told when they stay") func errors() async throws {
        let stage = FakeStage()
        stage.state.withLock { $0.failures = 3 }
        _ = try await play("title a\ndelete pod/a", on: stage)
        stage.state.withLock { $0.failures = .max }
        let failure = await #expect(throws: ScenarioRun.Failure.self) { try await play("title a\ndelete pod/a", on: stage) }
        #expect(failure?.found == "the server is away")
    }

    @Test(
        "reached is who answers on every address, not reached who answers on none",
        arguments: [
            ("reach", [], "pod/b has no address yet"), ("reach", [nil, nil], nil), ("reach", [nil, "no route"], "a1: no route"),
            // Nobody has been asked: that is no silence.
            ("noreach", [], "pod/b has no address yet"), ("noreach", ["no answer", "no answer"], nil),
            ("noreach", ["no answer", nil], "a1: answers pod/a"),
            ("noreach", [nil, nil], "a0: answers pod/a; a1: answers pod/a"),
        ] as [(String, [String?], String?)])
    func reaches(word: String, silences: [String?], fault: String?) async throws {
        let stage = FakeStage()
        let answers = silences.enumerated().map { ScenarioReach(address: "a\($0)", silence: $1) }
        stage.state.withLock { $0.reaches = [answers] }
        do {
            try await play("title a\n\(word) pod/a -> pod/b within 1s", on: stage)
            #expect(fault == nil)
        } catch let failure as ScenarioRun.Failure {
            #expect(failure.found == fault)
        }
    }

    @Test(
        "whoever answers must have seen the asker",
        arguments: [
            (
                [ScenarioReach(address: "b1", silence: nil, seen: "a7"), ScenarioReach(address: "b2", silence: nil, seen: "a8")],
                nil
            ),
            ([ScenarioReach(address: "b1", silence: nil, seen: "n1")], "b1 saw n1, and pod/a is a7, a8"),
            ([ScenarioReach(address: "b1", silence: "refused")], "b1: refused"),
            ([ScenarioReach(address: "b1", silence: nil)], "b1: the answer does not say whom it saw"),
            ([], "pod/b has no address yet"),
        ] as [([ScenarioReach], String?)])
    func sees(answers: [ScenarioReach], fault: String?) async throws {
        let stage = FakeStage()
        stage.state.withLock { $0.reaches = [answers] }
        do {
            try await play("title a\nreach pod/a -> pod/b tcp 80 as pod/a within 1s", on: stage)
            #expect(fault == nil)
        } catch let failure as ScenarioRun.Failure {
            #expect(failure.found == fault)
        }
    }

    @Test("a stream is unbroken when it goes on and has lost nothing") func streams() async throws {
        func way(_ answered: Int, lost: Int = 0) -> [ScenarioStream] {
            [ScenarioStream(way: "a -> b", answered: answered, lost: lost, first: lost > 0 ? "refused" : "")]
        }
        func failure(_ streams: [[ScenarioStream]]) async -> String? {
            let stage = FakeStage()
            stage.state.withLock { $0.streams = streams }
            do {
                try await play("title a\nstream pod/a -> pod/b tcp 80\nunbroken within 1s", on: stage)
                return nil
            } catch { return (error as? ScenarioRun.Failure)?.found ?? "\(error)" }
        }
        #expect(await failure([way(100), way(105), way(110)]) == nil)
        #expect(await failure([way(100), way(109)]) == "no answers come any more: a -> b")
        #expect(await failure([way(100), way(150, lost: 1)]) == "a -> b lost 1, after 150 answers: refused")
        #expect(await failure([]) == "there is no stream; “stream” comes before it")
    }

    @Test("what leaks is named") func leaks() async throws {
        let stage = FakeStage()
        stage.state.withLock { $0.inventories = [["n1": ["link a", "link b"]], ["n1": ["link b", "link c"]]] }
        let failure = await #expect(throws: ScenarioRun.Failure.self) {
            try await play("title a\nremember\nunchanged within 1s", on: stage)
        }
        #expect(failure?.found == "not as it was kept in mind:\n    n1: - link a\n    n1: + link c")
        let early = await #expect(throws: ScenarioRun.Failure.self) { try await play("title a\nunchanged", on: stage) }
        #expect(early?.found.contains("remember") == true)
    }

    @Test(
        "a command's answer is held against what it must be",
        arguments: [
            ("", 0, [], true), ("", 1, [], false), ("", 1, [.exit(1)], true), ("ab\ncd", 0, [.contains("b\nc")], true),
            ("ab", 0, [.lacks("b")], false), ("ab\ncd", 0, [.matches("^c")], true), ("ab", 0, [.matches("^b")], false),
            ("ab", 2, [.contains("a")], false),
        ] as [(String, Int, [Scenario.Expectation], Bool)])
    func answers(output: String, code: Int, expectations: [Scenario.Expectation], holds: Bool) {
        let missing = ScenarioRun.shortfall(of: ScenarioAnswer(output: output, code: code), expectations)
        #expect((missing == nil) == holds, "\(missing ?? "")")
    }

    @discardableResult
    private func play(_ text: String, on stage: FakeStage) async throws -> [String] {
        let told = Told()
        var run = ScenarioRun(
            try Scenario(text: text, path: "s.txt"), on: stage, clock: ImpatientClock(),
            say: { line in told.lines.withLock { $0.append(line) } })
        try await run.play()
        return told.lines.withLock { $0 }
    }
}

private final class Told: Sendable {
    let lines = Mutex<[String]>([])
}

/// A clock on which every wait is over at once.
private struct ImpatientClock: Clock {
    var now: ContinuousClock.Instant { ContinuousClock.now }
    var minimumResolution: Duration { .zero }
    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws { try Task.checkCancellation() }
}

private final class FakeStage: ScenarioStage {
    struct State {
        var done: [String] = []
        /// What pod/a's phase is, one asking after the other; the last stays.
        var answers: [String] = []
        var isDeleted = false
        var failures = 0
        var inventories: [[String: [String]]] = []
        /// What comes of probes, one after the other; the last stays.
        var reaches: [[ScenarioReach]] = []
        /// How streams go, one asking after the other; the last stays.
        var streams: [[ScenarioStream]] = []
    }

    struct Away: Error, CustomStringConvertible {
        var description: String { "the server is away" }
    }

    let state = Mutex(State())

    func object(_ name: Scenario.Name) async throws -> JSONValue? {
        state.withLock { state in
            guard !state.isDeleted, let answer = state.answers.first else { return nil }
            if state.answers.count > 1 { state.answers.removeFirst() }
            return ["status": ["phase": .string(answer)]]
        }
    }

    func objects(_ word: String, namespace: String, labels: String) async throws -> [JSONValue] { [] }

    func apply(_ tree: JSONValue, namespace: String) async throws {
        state.withLock { $0.done.append("apply \(tree[at: "metadata", "name"]?.string ?? "")") }
    }

    func patch(_ name: Scenario.Name, _ patch: JSONValue) async throws {}

    func delete(_ name: Scenario.Name) async throws {
        try state.withLock { state in
            if state.failures > 0 {
                state.failures -= 1
                throw Away()
            }
            state.isDeleted = true
            state.done.append("delete \(name)")
        }
    }

    func reach(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws -> [ScenarioReach] {
        state.withLock { $0.reaches.count > 1 ? $0.reaches.removeFirst() : $0.reaches.first ?? [] }
    }
    func sight(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws -> [ScenarioReach] {
        try await reach(from: from, to: to, probe)
    }
    func addresses(of place: Scenario.Place) async throws -> [String] { ["a7", "a8"] }
    func reachAll() async throws -> String? { nil }

    func run(_ place: Scenario.Place, _ command: [String]) async throws -> ScenarioAnswer {
        state.withLock { $0.done.append("run \(place)") }
        return ScenarioAnswer(output: "b\n", code: 0)
    }

    func kill(_ part: Scenario.Part) async throws {}
    func pause(agentOf node: String, isPaused: Bool) async throws {}
    func power(node: String, isOn: Bool) async throws {}

    func add(node: String) async throws { state.withLock { $0.done.append("add \(node)") } }
    func remove(node: String) async throws { state.withLock { $0.done.append("remove \(node)") } }
    func renumber(node: String) async throws { state.withLock { $0.done.append("renumber \(node)") } }
    func changeBackend(_ words: [String]) async throws {
        state.withLock { $0.done.append("backend \(words.joined(separator: " "))") }
    }
    func stream(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws {
        state.withLock { $0.done.append("stream \(from) -> \(to)\(probe)") }
    }
    func streams() async throws -> [ScenarioStream] {
        state.withLock { $0.streams.count > 1 ? $0.streams.removeFirst() : $0.streams.first ?? [] }
    }

    func inventory() async throws -> [String: [String]] {
        state.withLock { $0.inventories.count > 1 ? $0.inventories.removeFirst() : $0.inventories.first ?? [:] }
    }
}
