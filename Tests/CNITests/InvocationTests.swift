import CNI
import Testing

@Suite("Invocation")
struct InvocationTests {
    static let configuration = #"{"cniVersion":"1.1.0","name":"pods","type":"tulle-cni","mine":{"kept":true}}"#
    static let add = [
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/proc/self/ns/net", "CNI_IFNAME": "eth0",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=shop", "CNI_PATH": "/opt/cni/bin",
    ]

    @Test("an ADD is read with everything it says")
    func reads() throws {
        let invocation = try Invocation(environment: Variables(Self.add), input: Array(Self.configuration.utf8))
        #expect(invocation.operation == .add(try Attachment(containerID: "c1", interface: "eth0")))
        #expect(invocation.arguments["K8S_POD_NAMESPACE"] == "shop")
        #expect(invocation.namespacePath == "/proc/self/ns/net")
        #expect(invocation.configuration.document["mine"] == ["kept": true])
        #expect(try invocation.configuration.agentSocket == "/run/tulle/cni.sock")
    }

    /// A call with one thing wrong: in the environment, or in the configuration.
    struct Wrong: CustomTestStringConvertible, Sendable {
        var changes: [String: String] = [:]
        var input: String?
        var code: Int
        /// What the message names.
        var word: String

        init(_ code: Int, _ word: String, _ changes: [String: String] = [:], input: String? = nil) {
            (self.changes, self.input, self.code, self.word) = (changes, input, code, word)
        }

        var testDescription: String { "\(changes) \(input ?? "")" }
    }

    static let wrong: [Wrong] = [
        Wrong(4, "CNI_COMMAND", ["CNI_COMMAND": ""]),
        Wrong(4, "CNI_COMMAND", ["CNI_COMMAND": "add"]),  // verbs are upper case
        Wrong(4, "CNI_CONTAINERID", ["CNI_CONTAINERID": ""]),
        Wrong(4, "CNI_CONTAINERID", ["CNI_CONTAINERID": "-x"]),
        Wrong(4, "CNI_CONTAINERID", ["CNI_CONTAINERID": "../x"]),
        Wrong(4, "CNI_CONTAINERID", ["CNI_CONTAINERID": "ü"]),
        Wrong(4, "CNI_IFNAME", ["CNI_IFNAME": "sixteen-letters!"]),
        Wrong(4, "CNI_IFNAME", ["CNI_IFNAME": ".."]),
        Wrong(4, "CNI_IFNAME", ["CNI_IFNAME": "a/b"]),
        Wrong(4, "CNI_IFNAME", ["CNI_IFNAME": "a:b"]),
        Wrong(4, "CNI_IFNAME", ["CNI_IFNAME": "eth%d"]),
        Wrong(4, "CNI_IFNAME", ["CNI_IFNAME": "a b"]),
        Wrong(4, "CNI_NETNS", ["CNI_NETNS": ""]),
        Wrong(4, "CNI_ARGS", ["CNI_ARGS": "novalue"]),
        Wrong(6, "no JSON", input: ""),
        Wrong(6, "no JSON object", input: "[]"),
        Wrong(1, "0.2.0", input: #"{"cniVersion":"0.2.0","name":"pods","type":"t"}"#),
        Wrong(1, "0.1.0", input: #"{"name":"pods","type":"t"}"#),
        Wrong(7, "name", input: #"{"cniVersion":"1.1.0","type":"t"}"#),
        Wrong(7, "a/b", input: #"{"cniVersion":"1.1.0","name":"a/b","type":"t"}"#),
        Wrong(7, "type", input: #"{"cniVersion":"1.1.0","name":"pods"}"#),
        Wrong(7, "agentSocket", input: #"{"cniVersion":"1.1.0","name":"pods","type":"t","agentSocket":"relative"}"#),
        Wrong(7, "queueDirectory", input: #"{"cniVersion":"1.1.0","name":"pods","type":"t","queueDirectory":7}"#),
        Wrong(7, "prevResult", ["CNI_COMMAND": "CHECK"]),
        Wrong(1, "CHECK", ["CNI_COMMAND": "CHECK"], input: #"{"cniVersion":"0.3.1","name":"pods","type":"t"}"#),
        Wrong(1, "STATUS", ["CNI_COMMAND": "STATUS"], input: #"{"cniVersion":"1.0.0","name":"pods","type":"t"}"#),
        Wrong(7, "valid-attachments", ["CNI_COMMAND": "GC"]),  // never “all are stale” by omission
    ]

    @Test("a call with one thing wrong is refused with the specification's code and the name of the thing", arguments: wrong)
    func refuses(_ wrong: Wrong) {
        let environment = Variables(Self.add.merging(wrong.changes) { $1 })
        #expect {
            try Invocation(environment: environment, input: Array((wrong.input ?? Self.configuration).utf8))
        } throws: { error in
            guard let failure = error as? Failure else { return false }
            return failure.code.rawValue == wrong.code && failure.message.contains(wrong.word)
        }
    }

    @Test("a DEL needs no namespace, and no readable prevResult")
    func lenientDelete() throws {
        let environment: Variables = ["CNI_COMMAND": "DEL", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": ""]
        let input = #"{"cniVersion":"0.4.0","name":"pods","type":"t","prevResult":{"ips":"what?"}}"#
        let invocation = try Invocation(environment: environment, input: Array(input.utf8))
        #expect(invocation.verb == .delete)
        #expect(invocation.namespacePath == nil)
        #expect(throws: Failure.self) { try invocation.configuration.previousResult }
    }

    @Test("GC reads its list, under both names it has had, and null as libcni writes an empty one")
    func garbage() throws {
        let head = #"{"cniVersion":"1.1.0","name":"pods","type":"t","#
        let one = #"[{"containerID":"c1","ifname":"eth0"}]"#
        for (text, count) in [
            (#""cni.dev/valid-attachments":\#(one)}"#, 1), (#""cni.dev/attachments":\#(one)}"#, 1),
            (#""cni.dev/valid-attachments":null}"#, 0),
        ] {
            let invocation = try Invocation(environment: ["CNI_COMMAND": "GC"], input: Array((head + text).utf8))
            guard case .collectGarbage(let valid) = invocation.operation else { throw Broken("not GC") }
            #expect(valid.count == count)
        }
    }

    @Test("arguments are pairs between semicolons: of two with one key the last, and nothing between two semicolons is none")
    func arguments() throws {
        let arguments = try Arguments(";IP=192.0.2.1,2001:db8::1;;A=b=c;é=ü;IP=;A=d=")
        #expect(arguments["A"] == "d=")
        #expect(arguments["IP"] == "")
        #expect(arguments["é"] == "ü")
        #expect(arguments["b"] == nil)
        #expect(try Arguments("")["A"] == nil)
        for text in ["A", "=b", "A=b;c", "A=b;=;"] { #expect(throws: Failure.self) { try Arguments(text) } }
    }

    @Test("every verb can be read")
    func verbs() throws {
        let input = """
            {"cniVersion":"1.1.0","name":"pods","type":"t","prevResult":{},"cni.dev/valid-attachments":[]}
            """
        for verb in Verb.allCases where verb != .version {
            let environment = Variables(Self.add.merging(["CNI_COMMAND": verb.rawValue]) { $1 })
            #expect(try Invocation(environment: environment, input: Array(input.utf8)).verb == verb)
        }
    }
}

extension Variables {
    fileprivate init(_ values: [String: String]) { self.init { values[$0.rawValue] } }
}
