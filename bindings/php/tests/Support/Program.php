<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * A program that runs during a test, and ends with it.
 */
final class Program
{
    /** @var resource */
    private $process;
    /** @var array<int, resource> */
    private array $pipes = [];

    /**
     * @param list<string> $command
     * @param array<string, string> $environment in addition to this process's environment
     * @param string|null $log a file for its standard error
     */
    public function __construct(array $command, array $environment = [], private readonly ?string $log = null)
    {
        $process = proc_open(
            $command,
            [['pipe', 'r'], ['pipe', 'w'], $log === null ? ['file', '/dev/null', 'w'] : ['file', $log, 'a']],
            $this->pipes,
            null,
            $environment + getenv(),
        );
        $this->process = $process !== false ? $process : throw new \RuntimeException("$command[0] does not start");
    }

    public function __destruct()
    {
        $this->stop();
    }

    /** The next line of its output. */
    public function line(): string
    {
        $line = fgets($this->pipes[1]);
        if ($line === false) {
            throw new \RuntimeException('the program ended: ' . ($this->log === null ? '' : file_get_contents($this->log)));
        }
        return trim($line);
    }

    /**
     * The next JSON document of its output, on one line or several.
     *
     * @return array<mixed>
     */
    public function document(): array
    {
        $text = '';
        do {
            $text .= $this->line();
            $document = json_decode($text, true);
        } while (!is_array($document));
        return $document;
    }

    public function pid(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    /** Stops it and waits for its end. */
    public function stop(): void
    {
        if (is_resource($this->process)) {
            fclose($this->pipes[0]);
            proc_terminate($this->process);
            fclose($this->pipes[1]);
            proc_close($this->process);
        }
    }

    /**
     * Runs a command to its end.
     *
     * @param list<string> $command
     * @param array<string, string> $environment in addition to this process's environment
     *
     * @return array{int, string, string} exit code, output, errors
     */
    public static function run(array $command, array $environment = []): array
    {
        $errors = tempnam(sys_get_temp_dir(), 'sc');
        $process = proc_open(
            $command,
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['file', $errors, 'w']],
            $pipes,
            null,
            $environment + getenv(),
        );
        if ($process === false) {
            throw new \RuntimeException("$command[0] does not start");
        }
        $output = (string) stream_get_contents($pipes[1]);
        fclose($pipes[1]);
        $code = proc_close($process);
        $said = (string) file_get_contents($errors);
        unlink($errors);
        return [$code, $output, $said];
    }

    /** A free port. */
    public static function freePort(): int
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $name = (string) stream_socket_get_name($socket, false);
        fclose($socket);
        return (int) substr((string) strrchr($name, ':'), 1);
    }

    /** Waits until something listens there. */
    public static function awaitPort(int $port): void
    {
        $end = microtime(true) + 30;
        while (($socket = @stream_socket_client("tcp://127.0.0.1:$port", timeout: 1)) === false) {
            if (microtime(true) > $end) {
                throw new \RuntimeException("nothing answers at port $port");
            }
            usleep(20_000);
        }
        fclose($socket);
    }
}
