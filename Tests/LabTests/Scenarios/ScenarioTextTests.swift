import FoundationEssentials
import KubeAPI
import Testing

@testable import Lab

@Suite("a scenario's text") struct ScenarioTextTests {
    @Test("every step is read as it is meant") func steps() throws {
        let scenario = try Scenario(text: every, path: "Scenarios/every.txt")
        #expect(scenario.title == "all there is")
        #expect(scenario.nodes == 3)
        #expect(scenario.options == ["--families", "dual"])
        let web = Scenario.Name(word: "deployment", name: "web", namespace: "shop")
        let a = Scenario.Place.pod(namespace: "shop", name: "a")
        let expected: [Scenario.Action] = [
            .apply(
                [["kind": "Pod", "metadata": ["name": "a"]], ["kind": "Pod", "metadata": ["name": "b"]]], namespace: "shop"),
            .patch(web, ["spec": ["replicas": 5, "note": "a  b"]]),
            .delete(web),
            .expect(web, .exists),
            .expect(web, .isGone),
            .expect(web, .field(try #require(FieldQuery(".status.conditions[Available].status")), isEqual: true, "True")),
            .expect(web, .field(try #require(FieldQuery(".metadata.labels[a.b/c]")), isEqual: false, "two words")),
            .expect(web, .field(try #require(FieldQuery(".spec.paused")), isEqual: true, "")),
            .count(word: "pods", namespace: "shop", labels: "app=web,tier=front", 3),
            .reach(from: a, to: .pod(namespace: "shop", name: "b"), .ping, isExpected: true),
            .reach(from: a, to: .node("n2"), .tcp(8080), isExpected: true),
            .reach(from: .node("n1"), to: .address("192.0.2.7"), .udp(53), isExpected: false),
            .reachAll,
            .run(a, ["/bin/sh", "-c", "echo 'a   b' within 3s"], [.contains("a   b"), .lacks("c"), .matches("^a"), .exit(3)]),
            .run(.node("n1"), ["/bin/sh", "-c", "ip route"], []),
            .run(.host, ["kubectl", "get", "pods"], []),
            .kill(.apiServer),
            .kill(.agent(node: "n1")),
            .pause(node: "n1", isPaused: true),
            .pause(node: "n1", isPaused: false),
            .power(node: "n2", isOn: false),
            .power(node: "n2", isOn: true),
            .add(node: "n4"),
            .remove(node: "n4"),
            .renumber(node: "n2"),
            .backend(["vxlan", "--vxlan-direct-routing"]),
            .stream(from: a, to: .service(namespace: "shop", name: "web"), .udp(80)),
            .unbroken,
            .seen(from: a, to: .node("n2"), .tcp(8080), as: a),
            .remember,
            .unchanged,
            .reach(from: .pod(namespace: "till", name: "a"), to: .pod(namespace: "pod", name: "b"), .ping, isExpected: true),
            .run(.pod(namespace: "till", name: "a"), ["/bin/sh", "-c", "hostname"], []),
        ]
        for (step, action) in zip(scenario.steps, expected) { #expect(step.action == action, "\(step.text)") }
        #expect(scenario.steps.count == expected.count)
        #expect(scenario.steps.first { $0.action == .expect(web, .isGone) }?.patience == .seconds(120))
        #expect(scenario.steps[0].patience == Scenario.usualPatience)
    }

    private let every = """
        # a comment
        title   all there is
        nodes   3
        options --families dual
        namespace shop

        apply
            kind: Pod
            metadata:
              name: a
            ---
            kind: Pod
            metadata: {name: b}

        patch deployment/web {"spec":{"replicas":5,"note":"a  b"}}
        delete deployment/web
        wait deployment/web exists
        wait deployment/web gone within 2m
        wait deployment/web .status.conditions[Available].status = True within 10s
        wait deployment/web .metadata.labels[a.b/c] != two words
        wait deployment/web .spec.paused =
        wait pods app=web tier=front count 3
        reach pod/a -> pod/b
        reach pod/a -> node/n2 tcp 8080
        noreach node/n1 -> 192.0.2.7 udp 53
        reach all within 5s
        in a: echo 'a   b' within 3s
            contains a   b
            lacks c

            matches ^a
            exit 3
        on n1: ip route
        kubectl get pods
        kill api-server
        kill agent n1
        pause agent n1
        resume agent n1
        stop n2
        start n2
        add n4
        remove n4
        renumber n2
        backend vxlan --vxlan-direct-routing
        stream pod/a -> service/web udp 80
        unbroken within 10s
        reach pod/a -> node/n2 tcp 8080 as pod/a
        remember
        unchanged within 10s
        reach pod/till/a -> pod/pod/b
        in till/a: hostname
        """

    @Test(
        "what is wrong is refused with its line",
        arguments: [
            ("", 1, "no “title”"),
            ("title a", 1, "no step"),
            ("    apply", 1, "belongs below a step"),
            ("title a\njump", 2, "“jump” is no step"),
            ("title a\nnodes none", 2, "a number from 1 to 20"),
            ("title a\nnodes 2 3", 2, "“3” is not understood"),
            ("title a\napply", 2, "needs a file, or objects"),
            ("title a\napply missing.yaml", 2, "missing.yaml"),
            ("title a\napply\n    a: [b\n    c: ]", 4, "reading YAML"),
            ("title a\ndelete web", 2, "written kind/name"),
            ("title a\ndelete pod/", 2, "written kind/name"),
            ("title a\npatch pod/a [1]", 2, "a patch is a JSON object"),
            ("title a\nwait pods 3", 2, "is counted"),
            ("title a\nwait pods count many", 2, "a number from 0"),
            ("title a\nwait pod/a status = b", 2, "is no field"),
            ("title a\nwait pod/a .status is b", 2, "= or !="),
            ("title a\nwait pod/a gone within soon", 2, "written 10s or 2m"),
            ("title a\nreach pod/a pod/b", 2, "pod/a -> pod/b"),
            ("title a\nreach 192.0.2.1 -> pod/b", 2, "start at a pod or a node"),
            ("title a\nreach pod/a -> pod/b sctp 1", 2, "ping, tcp PORT or udp PORT"),
            ("title a\nreach pod/a -> pod/b tcp 70000", 2, "from 1 to 65535"),
            ("title a\nreach pod/ -> pod/b", 2, "has no name"),
            ("title a\nreach pod/a/b/c -> pod/b", 2, "a pod is written pod/NAMESPACE/NAME"),
            ("title a\nin web hostname", 2, "a colon ends the name"),
            ("title a\nin web:", 2, "no command after the colon"),
            ("title a\nin web: hostname\n    says web", 3, "contains TEXT"),
            ("title a\nin web: hostname\n\n    matches (", 4, "contains TEXT"),
            ("title a\nkubectl", 2, "needs arguments"),
            ("title a\neach", 2, "needs options"),
            ("title a\nremember\neach --nodes 2", 3, "before the first step"),
            ("title a\nwhere --nodes 2 remember", 2, "a colon ends the options"),
            ("title a\nwhere --nodes 2 | : remember", 2, "nothing between"),
            ("title a\nwhere --nodes 2: jump", 2, "“jump” is no step"),
            ("title a\nbackend", 2, "backend vxlan"),
            ("title a\nstream pod/a -> pod/b ping", 2, "tcp PORT or udp PORT"),
            ("title a\nreach pod/a -> pod/b tcp 80 as", 2, "whom the other end sees"),
            ("title a\nnoreach pod/a -> pod/b tcp 80 as pod/a", 2, "“as” is not understood"),
            ("title a\nreach service/a -> pod/b", 2, "start at a pod or a node"),
            ("title a\npause n1", 2, "the agent of a node"),
            ("title a\nkill kubelet", 2, "api-server, or the agent"),
            ("title a\nremember all", 2, "“all” is not understood"),
            ("title a\nremember\n    more", 3, "nothing belongs below"),
        ])
    func refused(text: String, line: Int, message: String) {
        #expect {
            try Scenario(text: text, path: "s.txt")
        } throws: { error in
            guard let error = error as? ScenarioTextError else { return false }
            return error.line == line && error.message.contains(message) && error.description.hasPrefix("s.txt:\(line): ")
        }
    }

    @Test("every combination of choices is a scenario of its own, with the steps that are meant for it")
    func variants() throws {
        let text = """
            title a
            options --pods 1
            each --backend none | --backend vxlan --segments 2
            each --families ipv4 | --families ipv6 |
            where --backend none --families ipv4 | --segments 2: kill api-server
            remember
            """
        let scenario = try Scenario(text: text, path: "s.txt")
        #expect(scenario.steps.map(\.text).first == "where --backend none --families ipv4 | --segments 2: kill api-server")
        let variants = scenario.variants.map { [$0.options.joined(separator: " "), "\($0.steps.count)"] }
        #expect(
            variants == [
                ["--pods 1 --backend none --families ipv4", "2"], ["--pods 1 --backend none --families ipv6", "1"],
                ["--pods 1 --backend none", "1"], ["--pods 1 --backend vxlan --segments 2 --families ipv4", "2"],
                ["--pods 1 --backend vxlan --segments 2 --families ipv6", "2"],
                ["--pods 1 --backend vxlan --segments 2", "2"],
            ])
        #expect(scenario.variants[1].variation == ["--backend", "none", "--families", "ipv6"])
        #expect(scenario.variants[1].isPlayed(with: ["--pods", "1", "--families", "ipv6"]))
        #expect(!scenario.variants[1].isPlayed(with: ["--families", "ipv4"]))
        let plain = try Scenario(text: "title a\nremember", path: "s.txt")
        #expect(plain.variants == [plain])
    }

    @Test(
        "a field is found by position, by name and by key",
        arguments: [
            (".a.b", "1"), (".a.list[0].name", "x"), (".a.list[y].value", "[1,2]"), (".a.list[9]", ""), (".a.map[k.l/m]", "n"),
            (".a.none.b", ""), (".a.nothing", ""), (".a.flag", "true"),
        ])
    func fields(text: String, expected: String) throws {
        let tree: JSONValue = [
            "a": [
                "b": 1, "list": [["name": "x"], ["type": "y", "value": [1, 2]]], "map": ["k.l/m": "n"], "nothing": nil,
                "flag": true,
            ]
        ]
        let query = try #require(FieldQuery(text))
        #expect(FieldQuery.text(query.value(in: tree)) == expected)
        #expect(query.description == text)
    }

    @Test("what is no field is none", arguments: ["", "a", ".", ".a.", ".a[", ".a[]", ".a]", "..a", ".a[b]c"])
    func noField(text: String) { #expect(FieldQuery(text) == nil) }
}

@Suite("the scenarios of the repository") struct ScenarioFileTests {
    @Test("all can be read, and are of those that were asked for") func readable() throws {
        let directory = #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined() + "/Scenarios"
        let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        for name in names {
            let text = try String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8)
            #expect(try Scenario(text: text, path: "\(directory)/\(name)").steps.count > 3, "\(name)")
        }
        #expect(
            Set(names).isSuperset(of: [
                "pods-talk.txt", "statefulset-keeps-names.txt", "deployment-rolls.txt", "node-goes-and-comes-back.txt",
                "no-leak.txt", "agent-is-paused.txt", "killed-and-restarted.txt",
            ]))
    }
}
