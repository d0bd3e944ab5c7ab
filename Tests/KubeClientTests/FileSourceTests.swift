import KubeAPI
import Logging
import Testing

@testable import KubeClient

struct FileSourceTests {
    private func yaml(_ names: String...) -> String {
        names.map { name in
            let parts = name.split(separator: "=")
            return "{apiVersion: v1, kind: Namespace, metadata: {name: \(parts[0]), labels: {v: \"\(parts.last ?? "")\"}}}"
        }.joined(separator: "\n---\n")
    }

    /// A change is taken up at the second look that finds the file the same.
    private func settled(_ follower: inout FileFollower) -> [ObjectEvent] { follower.look() + follower.look() }

    @Test("the first look lists, later ones tell what changed, and nothing is told twice")
    func changes() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml("a=1", "b=1"), to: "objects.yaml")
        var follower = FileFollower(paths: [path], registry: .standard)
        #expect(texts(follower.look()) == ["listed Namespace a, Namespace b"])
        #expect(texts(follower.look()) == [])
        try directory.write(yaml("b=2", "c=1"), to: "objects.yaml")
        #expect(texts(settled(&follower)) == ["deleted Namespace a", "modified Namespace b", "added Namespace c"])
        try directory.write(yaml("c=1", "b=2"), to: "objects.yaml")
        #expect(texts(settled(&follower)) == [], "another order is no change")
    }

    @Test("a broken or missing file changes nothing but the faults, and is taken up when it is well again")
    func broken() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml("a=1"), to: "objects.yaml")
        var follower = FileFollower(paths: [path], registry: .standard)
        _ = follower.look()
        try directory.write("a: [", to: "objects.yaml")
        #expect(texts(settled(&follower)).first?.hasPrefix("faults \(path), line ") == true)
        #expect(texts(follower.look()) == [])
        directory.remove("objects.yaml")
        #expect(follower.look().count == 1, "another fault")
        #expect(texts(follower.look()) == [])
        try directory.write(yaml("a=2"), to: "objects.yaml")
        #expect(texts(settled(&follower)) == ["faults ", "modified Namespace a"])
    }

    @Test("a field that the kind has not is a fault, and the object is taken as it is written now")
    func unknownField() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml("a=1"), to: "objects.yaml")
        var follower = FileFollower(paths: [path], registry: .standard) { tree, kind in
            kind.kind == "Namespace" && tree["metadata"]?["labels"]?["v"] == "2" ? [FieldPath("metadata", "labls")] : []
        }
        #expect(texts(follower.look()) == ["listed Namespace a"])
        try directory.write(yaml("a=2"), to: "objects.yaml")
        let told = texts(settled(&follower))
        #expect(told.last == "modified Namespace a")
        #expect(told.first?.hasSuffix("Namespace a: unknown field \"metadata.labls\"") == true, "\(told)")
        try directory.write(yaml("a=3"), to: "objects.yaml")
        #expect(texts(settled(&follower)) == ["faults ", "modified Namespace a"])
    }

    @Test("a source whose file is missing lists once it is there")
    func late() throws {
        let directory = try TemporaryDirectory()
        var follower = FileFollower(paths: ["\(directory.path)/objects.yaml"], registry: .standard)
        #expect(texts(follower.look()).count == 1)
        #expect(texts(follower.look()) == [])
        try directory.write(yaml(), to: "objects.yaml")
        #expect(texts(follower.look()) == ["faults ", "listed "], "an empty file is an empty cluster")
    }

    @Test("files come and go in a directory, and a link that is changed is a change")
    func directory() throws {
        let directory = try TemporaryDirectory()
        try directory.write(yaml("a=1"), to: "a.yaml")
        var follower = FileFollower(paths: [directory.path], registry: .standard)
        #expect(texts(follower.look()) == ["listed Namespace a"])
        try directory.write(yaml("b=1"), to: "b.target")
        try directory.write(yaml("b=2"), to: "c.target")
        directory.link("b.yaml", to: "b.target")
        #expect(texts(settled(&follower)) == ["added Namespace b"])
        directory.link("b.yaml", to: "c.target")
        #expect(texts(settled(&follower)) == ["modified Namespace b"])
        directory.remove("a.yaml")
        #expect(texts(settled(&follower)) == ["deleted Namespace a"])
    }

    @Test("a fault in one object is told beside the others, and withdrawn")
    func objectFaults() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml("A=1", "b=1"), to: "objects.yaml")
        var follower = FileFollower(paths: [path], registry: .standard)
        let first = texts(follower.look())
        #expect(first.count == 2)
        #expect(first.first?.contains("Namespace A: metadata.name: Invalid value: \"A\"") == true)
        #expect(first.last == "listed Namespace A, Namespace b")
        try directory.write(yaml("b=1"), to: "objects.yaml")
        #expect(texts(settled(&follower)) == ["faults ", "deleted Namespace A"])
    }

    @Test("an object that was right and is wrong now stays what it was, and so does one whose name is lost")
    func damaged() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml("a=1", "b=1"), to: "objects.yaml")
        var follower = FileFollower(paths: [path], registry: .standard)
        _ = follower.look()
        try directory.write(yaml("a=2", "b=2").replacing("{v: \"2\"}", with: "7", maxReplacements: 1), to: "objects.yaml")
        let damaged = texts(settled(&follower))
        #expect(damaged.first?.contains("Namespace a: metadata.labels: ") == true)
        #expect(damaged.dropFirst() == ["modified Namespace b"])
        try directory.write(yaml("b=2").replacing("name: b", with: "nam: b"), to: "objects.yaml")
        let nameless = texts(settled(&follower))
        #expect(nameless.count == 1, "\(nameless)")
        #expect(nameless.first?.contains("metadata.name") == true)
        try directory.write(yaml("b=3"), to: "objects.yaml")
        #expect(texts(settled(&follower)) == ["faults ", "deleted Namespace a", "modified Namespace b"])
    }

    @Test("a file that is being written is not read in the middle, though it looks whole")
    func beingWritten() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml("a=1", "b=1"), to: "objects.yaml")
        var follower = FileFollower(paths: [path], registry: .standard)
        _ = follower.look()
        try directory.write("", to: "objects.yaml")
        #expect(texts(follower.look()) == [])
        try directory.write(yaml("a=1"), to: "objects.yaml")
        #expect(texts(follower.look()) == [])
        try directory.write(yaml("a=1", "b=2"), to: "objects.yaml")
        #expect(texts(settled(&follower)) == ["modified Namespace b"])
    }

    @Test("run feeds the stream at the given interval until it is cancelled", .timeLimit(.minutes(5)))
    func run() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml("a=1"), to: "objects.yaml")
        let clock = InstantClock()
        let source = FileObjectSource(paths: [path], interval: .seconds(3), clock: clock, logger: Logger(label: "test"))
        let feeding = Task { await source.run() }
        var events = source.events.makeAsyncIterator()
        #expect(texts(await events.next()?.events ?? []) == ["listed Namespace a"])
        try directory.write(yaml("a=2"), to: "objects.yaml")
        #expect(texts(await events.next()?.events ?? []) == ["modified Namespace a"])
        #expect(clock.sleeps.allSatisfy { $0 == .seconds(3) })
        feeding.cancel()
        await feeding.value
        #expect(await events.next() == nil, "the stream ends with the source")
    }
}
