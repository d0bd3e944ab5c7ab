import Glibc

/// `tulle-pod`: makes the namespaces of a pod and holds them, runs commands in them, and is the pod's server and client.
@main
struct Main {
    static func main() {
        // The threads of a Swift program block signals, and what they start inherits that: SIGTERM would not end an echo.
        Signals.unblockAll()
        var words = Words(CommandLine.arguments.dropFirst())
        let status: Int32
        do throws(Refusal) {
            switch words.next() {
            case "pause": status = try Pause(&words).run()
            case "run": status = try Run(&words).run()
            case "echo": status = try Echo(&words).run()
            case "ask": status = try Ask(&words).run()
            case "container": status = try Container(&words).run()
            case "probe": status = try Probe(&words).run()
            case "idle": status = try Idle(&words).run()
            case "init": status = try InitProcess(&words).run()
            case "ping": status = try Ping(&words).run()
            case "--version": status = say(version + "\n")
            case "--help", "-h", "help": status = say(help)
            case nil: throw .usage("it takes one of pause, run, container, echo, ask, probe, ping, idle and init")
            case let word?:
                throw .usage("“\(word)” is not understood; it takes pause, run, container, echo, ask, probe, ping, idle or init")
            }
        } catch {
            write(Array("tulle-pod: \(error)\n".utf8), to: STDERR_FILENO)
            exit(error.status)
        }
        exit(status)
    }

    static let version = "tulle-pod 0.1.0"

    private static let help = """
        \(version): makes the namespaces of a pod and holds them, runs commands in them, and is the pod's server and client.

        tulle-pod pause [--new net,mnt,uts,pid,ipc] [--hostname NAME] [--ready-fd N]
            Makes new namespaces (net,mnt,uts,pid,ipc unless said otherwise), brings up lo in a new net, mounts /proc in a new
            mnt with a new pid, prints the process id that holds them, and holds them until SIGTERM or SIGINT. It ends when
            the process that started it ends, however that ends. The id goes to descriptor N when one is named.

                tulle-pod pause --hostname web-0 --new net,uts

        tulle-pod run --join PID [--namespaces net,mnt,uts,pid,ipc] [--workdir DIRECTORY] [--tty] -- COMMAND [ARGUMENT …]
            Runs a command in the namespaces of a process: of these five, those that differ from ours, unless said otherwise.
            Exits as the command does; 128 + n when signal n ended it; 127 when there is no such command, 126 when it cannot
            be run, 125 when the namespaces cannot be entered.

                tulle-pod run --join 1234 -- ip address

            --tty makes standard input, a terminal, the one that controls the command.

        tulle-pod container --join PID --root DIRECTORY [--namespaces net,uts,ipc,pid] [--mount SOURCE:TARGET[:ro] …]
            [--read-only] [--workdir DIRECTORY] [--user USER[:GROUP]] [--log FILE [--log-limit BYTES]] [--report-fd N]
            -- COMMAND [ARGUMENT …]
            Runs a command as process 1 of a container: PID and mount namespaces of its own, the others of the pod. Its root
            is the host's, and what it writes is forgotten with it; DIRECTORY is empty and stays so. The log is kept in the
            form of the CRI, one file that was full before beside it. Descriptor N gets “pid NUMBER” and ends when the command
            runs, or gets “error WHY”. Exits as the command does;
            SIGUSR2 kills it.

                tulle-pod container --join 1234 --root /tmp/empty --mount /srv/www:/data:ro -- ls /data

        tulle-pod echo [--tcp PORT …] [--udp PORT …] [--name NAME] [--node NODE]
            Answers, over IPv4 and IPv6, every line, datagram and HTTP request with one line: who answers, whom it sees, on
            which address, and what was asked. Port 0 takes a free one; each port is printed when it is open.

                tulle-pod echo --tcp 80 --udp 53 --name web-0 --node node-1
                curl http://192.0.2.7/hello
                pod=web-0 node=node-1 protocol=http client=192.0.2.9:40312 local=192.0.2.7:80 request=GET /hello HTTP/1.1

        tulle-pod ask --tcp|--udp ADDRESS PORT [--message TEXT] [--timeout MILLISECONDS]
            Sends one line and prints a line of figures and the answer. Exits 0 when answered, 1 when refused, 2 when nothing
            came in time (2000 ms unless said otherwise), 3 when there is no way there.

                tulle-pod ask --tcp 192.0.2.7 80 --message hello
                rtt_us=184 local=192.0.2.9:40314
                pod=web-0 node=node-1 protocol=tcp client=192.0.2.9:40314 local=192.0.2.7:80 request=hello

        tulle-pod probe --tcp|--http PATH ADDRESS PORT [--header NAME:VALUE …] [--timeout MILLISECONDS] [--join PID]
            Connects, or asks over HTTP, as a kubelet's probe does, from the network namespace of PID. Exits 0 when the probe
            succeeds (over HTTP: 200 to 399), and else 1 and says why.

                tulle-pod probe --http /healthz 192.0.2.7 80

        tulle-pod ping [--join PID] [--count N] [--timeout MILLISECONDS] [--interval MILLISECONDS] ADDRESS …
            Sends each address ICMP echo requests, 3 unless said otherwise, from the network namespace of PID, and prints a line
            for each: how many were sent and came back, and the shortest and the median round trip. Exits 1 when any is missing.

                tulle-pod ping 192.0.2.7 2001:db8::7
                192.0.2.7 sent=3 received=3 min_us=41 median_us=55
                2001:db8::7 sent=3 received=3 min_us=43 median_us=60

        tulle-pod idle
            Does nothing until SIGTERM or SIGINT.

        tulle-pod init --lock FILE -- COMMAND [ARGUMENT …]
            Leaves its caller and runs a command under a process 1 of its own, in new PID and mount namespaces: with process 1
            everything in there ends. Process 1 holds a lock on FILE (3 when another does), which names it to whoever asks.
            The command is started again when a signal ends it or it exits with 75, with TULLE_RESTARTS in its environment;
            otherwise its end is the end of all.

        """
}
