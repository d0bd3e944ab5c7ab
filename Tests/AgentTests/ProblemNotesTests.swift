import Cluster
import KubeAPI
import KubeClient
import Testing

@testable import Agent

@Suite("what is told on services") struct ProblemNotesTests {
    private func problem(
        _ name: String, _ message: String = "its 203.0.113.5:80 is a/b's already",
        _ kind: GroupVersionKind = Service.resource.kind
    )
        -> Problem
    {
        Problem(.serviceFrontTaken, ObjectKey(kind, namespace: "shop", name: name), message)
    }

    @Test("a problem is told when it comes, again after half an hour, and again when it comes back")
    func again() throws {
        var notes = ProblemNotes()
        func count(_ problems: [Problem], at minutes: Int) -> Int {
            notes.notes(on: problems, at: .seconds(60 * minutes)) { "uid of \($0.name)" }.count
        }
        #expect(count([problem("web")], at: 0) == 1)
        #expect(count([problem("web")], at: 1) == 0)
        #expect(count([problem("web"), problem("api")], at: 29) == 1)
        #expect(count([problem("web"), problem("api")], at: 30) == 1)
        #expect(count([], at: 31) == 0)
        #expect(count([problem("web")], at: 32) == 1)
        let note = try #require(notes.notes(on: [problem("new")], at: .seconds(60 * 33)) { "uid of \($0.name)" }.first)
        #expect(note.reason == "ServiceFrontTaken" && note.severity == .warning)
        #expect(note.message == "its 203.0.113.5:80 is a/b's already; give each service an address or a port of its own")
        #expect(note.subject == .init(Service.resource.kind, namespace: "shop", name: "new", uid: "uid of new"))
    }

    @Test("what is about no service, or about one that is gone, is not told")
    func others() {
        var notes = ProblemNotes()
        #expect(
            notes.notes(on: [problem("n1", "", Node.resource.kind), Problem(.changeRefused, nil, "")], at: .zero) { _ in "u" }
                == [])
        #expect(notes.notes(on: [problem("web")], at: .zero) { _ in nil } == [])
        #expect(notes.notes(on: [problem("web")], at: .zero) { _ in "u" }.count == 1)
    }

    @Test("a mistake in a policy is one note, which names the field and what comes of it")
    func once() {
        var notes = ProblemNotes()
        let policy = ObjectKey(ClusterNetworkPolicy.resource.kind, name: "lock")
        let told = notes.notes(
            on: [
                Problem(.objectInvalid, policy, "spec.egress[0].to[0].networks[0]: Invalid value: \"x\""),
                Problem(.objectInvalid, policy, "spec.priority: Required value"),
                Problem(.policyRuleClosed, policy, "spec.egress[0] cannot be read, and denies everything"),
            ], at: .zero
        ) { _ in "u" }
        #expect(
            told.map { "\($0.reason): \($0.message)" } == [
                "ObjectInvalid: spec.priority: Required value; correct the field that the message names",
                "PolicyRuleClosed: spec.egress[0].to[0].networks[0]: Invalid value: \"x\"; spec.egress[0] cannot be read, and denies "
                    + "everything; correct the field",
            ])
    }

    @Test("ten thousand problems are told bit by bit, each once")
    func many() {
        var notes = ProblemNotes()
        let problems = (0..<10_000).map { problem("web-\($0)") }
        var names: [String] = []
        for second in 0..<20 {
            let told = notes.notes(on: problems, at: .seconds(second)) { _ in "u" }
            #expect(told.count == (second == 0 ? 100 : 1))
            names += told.map(\.subject.name)
        }
        #expect(Set(names).count == names.count)
    }

    @Test("every problem has a reason in one word", arguments: Problem.ID.allCases)
    func reasons(_ id: Problem.ID) {
        #expect(id.reason.count <= 128 && id.reason.first?.isUppercase == true && id.reason.allSatisfy(\.isLetter))
    }
}
