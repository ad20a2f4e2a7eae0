<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use FFI;
use FFI\CData;
use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;

/**
 * Finds, loads and calls the C library in this process. Only this class uses FFI.
 *
 * With `ffi.enable=preload` (the default of PHP-FPM) FFI works in preloaded code only; `preload.php` preloads this.
 *
 * @internal
 */
final class Library
{
    private const HEADER = __DIR__ . '/social_channel.ffi.h';
    /** The library's name for the system's loader. */
    private const NAMES = ['Darwin' => 'libsocialchannel.dylib', 'Windows' => 'socialchannel.dll'];
    private const NAME = 'libsocialchannel.so';
    private const VERSION = 'uint32_t socialchannel_version_number(void); const char *socialchannel_version_text(void);';
    /** The environment variable with the library's path. */
    public const VARIABLE = 'SOCIAL_CHANNEL_LIBRARY';

    /** @var array<string, self> by path */
    private static array $loaded = [];

    /** @var array<string, FFI\CType> created once, because PHP keeps types with accessed elements until it ends */
    private readonly array $types;

    /** The number of the last line of the log that was read. The log is the process's, and so is this. */
    private int $logRead = 0;

    private function __construct(private readonly FFI $ffi, public readonly string $path)
    {
        $types = [];
        // Called here and not through a PHP function, because with `ffi.enable=preload` only this file may use FFI.
        foreach (['char *', 'struct socialchannel_host *', 'struct socialchannel_error *', 'uint8_t *', 'size_t'] as $of) {
            $types["{$of}[1]"] = $ffi->type("{$of}[1]");
        }
        $this->types = $types;
    }

    /**
     * Finds and loads the library, once in a process.
     *
     * @param string|null $path the path to use instead of searching
     *
     * @throws CallException `Unavailable` if FFI is off or no library was found, `Incompatible` for another version
     */
    public static function load(?string $path): self
    {
        if (!extension_loaded('ffi')) {
            throw self::off('PHP was built without FFI', 'install the FFI extension');
        }
        $tried = [];
        $remedy = 'install the library, or name its file in `library` or in ' . self::VARIABLE;
        if (PHP_SAPI === 'fpm-fcgi' && $path === null && !is_string(getenv(self::VARIABLE))) {
            $remedy .= '; PHP-FPM clears the environment, so that needs the line env[' . self::VARIABLE
                . '] = /path/of/' . self::NAME . " in the pool's file";
        }
        foreach (self::candidates($path) as $candidate => $origin) {
            if (isset(self::$loaded[$candidate])) {
                return self::$loaded[$candidate];
            }
            if (str_contains($candidate, '/') && !@is_readable($candidate)) {
                [$why, $own] = Files::whyNot($candidate);
                $tried[] = "$candidate ($origin): $why";
                $remedy = Files::isAllowed($candidate) ? $remedy : "$own; or $remedy";
                continue;
            }
            $machines = str_contains($candidate, '/') ? Files::otherMachine($candidate) : null;
            if ($machines !== null) {
                $tried[] = "$candidate ($origin): $machines";
                $remedy = 'install the library that is built for this machine, or name its file in `library`';
                continue;
            }
            try {
                return self::$loaded[$candidate] = self::open($candidate);
            } catch (FFI\Exception $error) {
                if (str_contains($error->getMessage(), 'ffi.enable')) {
                    $setting = (string) ini_get('ffi.enable');
                    throw self::off(
                        'FFI is off in this PHP (' . PHP_SAPI . ", ffi.enable=$setting)",
                        'set ffi.enable=1, or preload this package (opcache.preload=.../preload.php)',
                        $error,
                    );
                }
                if (str_contains($error->getMessage(), 'resolving C function')) {
                    throw self::mismatch($candidate, $error->getMessage());
                }
                $tried[] = "$candidate ($origin): {$error->getMessage()}";
            }
        }
        throw self::off('libsocialchannel was not loaded: ' . implode('; ', $tried), $remedy);
    }

    /**
     * What the library noted since the last call, oldest first.
     *
     * @return list<array{number: int, at_ms: int, level: string, target: string, message: string, fields: array<string, string>}>
     *
     * @throws CallException
     */
    public function readLog(): array
    {
        $read = [];
        do {
            $out = $this->make('char *[1]');
            $error = $this->make('struct socialchannel_error *[1]');
            $this->check($this->ffi->socialchannel_log_read($this->logRead, 1000, $out, $error), $error);
            $entries = Json::read($this->take($out[0]));
            foreach ($entries as $entry) {
                $this->logRead = $entry['number'];
                $read[] = $entry;
            }
        } while ($entries !== []);
        return $read;
    }

    /** @throws CallException */
    public function setLogLevel(string $level): void
    {
        $error = $this->make('struct socialchannel_error *[1]');
        $this->check($this->ffi->socialchannel_log_level(self::text($level), $error), $error);
    }

    /**
     * Opens a host. Returns a handle for `call()`.
     *
     * @param array<string, mixed> $config
     */
    public function openHost(#[\SensitiveParameter] array $config): CData
    {
        $host = $this->make('struct socialchannel_host *[1]');
        $error = $this->make('struct socialchannel_error *[1]');
        $config = Writer::json($config ?: new \stdClass());
        $this->check($this->ffi->socialchannel_host_open(self::text($config), $host, $error), $error);
        return $host[0];
    }

    public function freeHost(CData $host): void
    {
        $this->ffi->socialchannel_host_free($host);
    }

    /**
     * Calls `socialchannel_host_NAME(host, ...arguments, char **out, error_out)` and reads the document.
     *
     * @return array<mixed>
     *
     * @throws CallException
     */
    public function document(string $name, CData $host, #[\SensitiveParameter] string|int|bool|null ...$arguments): array
    {
        $out = $this->make('char *[1]');
        $error = $this->make('struct socialchannel_error *[1]');
        $function = "socialchannel_host_$name";
        $this->check($this->ffi->$function($host, ...[...array_map(self::text(...), $arguments), $out, $error]), $error);
        return Json::read($this->take($out[0]));
    }

    /**
     * Like `document()`, for a function without a result.
     *
     * @throws CallException
     */
    public function run(string $name, CData $host, #[\SensitiveParameter] string|int|bool|null ...$arguments): void
    {
        $error = $this->make('struct socialchannel_error *[1]');
        $function = "socialchannel_host_$name";
        $this->check($this->ffi->$function($host, ...[...array_map(self::text(...), $arguments), $error]), $error);
    }

    /**
     * Like `document()`, for a function that accepts bytes with their length.
     *
     * @return array<mixed>
     *
     * @throws CallException
     */
    public function documentOfBytes(string $name, CData $host, string $bytes): array
    {
        $out = $this->make('char *[1]');
        $error = $this->make('struct socialchannel_error *[1]');
        $function = "socialchannel_host_$name";
        $given = $this->bytes($bytes);
        $this->check($this->ffi->$function($host, $given, strlen($bytes), $out, $error), $error);
        return Json::read($this->take($out[0]));
    }

    /**
     * @return array{array<mixed>, string} the reply's document, and its body
     *
     * @throws CallException
     */
    public function receiveWebhook(CData $host, string $app, string $request, string $body): array
    {
        $reply = $this->make('char *[1]');
        $answer = $this->make('uint8_t *[1]');
        $length = $this->make('size_t[1]');
        $error = $this->make('struct socialchannel_error *[1]');
        $status = $this->ffi->socialchannel_host_receive_webhook(
            $host,
            self::text($app),
            self::text($request),
            $this->bytes($body),
            strlen($body),
            $reply,
            $answer,
            $length,
            $error,
        );
        $this->check($status, $error);
        try {
            $bytes = FFI::string($answer[0], $length[0]);
        } finally {
            $this->ffi->socialchannel_bytes_free($answer[0], $length[0]);
        }
        return [Json::read($this->take($reply[0])), $bytes];
    }

    private function make(string $type): CData
    {
        return $this->ffi->new($this->types[$type]);
    }

    /** @return \Generator<string, string> paths, and where they come from */
    private static function candidates(?string $path): \Generator
    {
        $named = getenv(self::VARIABLE);
        if ($path !== null) {
            yield $path => 'the setting `library`';
        } elseif (is_string($named) && $named !== '') {
            yield $named => self::VARIABLE;
        } else {
            $name = self::NAMES[PHP_OS_FAMILY] ?? self::NAME;
            yield dirname(__DIR__, 2) . "/lib/$name" => 'beside this package';
            yield $name => "the system's libraries";
        }
    }

    private static function open(string $path): self
    {
        self::keep($path);
        $header = (string) file_get_contents(self::HEADER);
        // Checked before looking up all functions, because another version may lack some.
        $ffi = FFI::cdef(self::VERSION, $path);
        $number = $ffi->socialchannel_version_number();
        preg_match_all('/SOCIALCHANNEL_VERSION_(MAJOR|MINOR) = (\d+)/', $header, $found);
        $ours = array_map('intval', array_combine($found[1], $found[2]));
        [$major, $minor] = [intdiv($number, 1_000_000), intdiv($number, 1_000) % 1_000];
        // Before 1.0, minor versions are incompatible.
        if ($major !== $ours['MAJOR'] || ($major === 0 && $minor !== $ours['MINOR'])) {
            $version = "{$ours['MAJOR']}.{$ours['MINOR']}";
            throw self::mismatch($path, "it is version {$ffi->socialchannel_version_text()}, but this package needs $version");
        }
        return new self(FFI::cdef($header, $path), $path);
    }

    /** PHP unloads libraries when a request ends. This library has threads, so its code must stay loaded. */
    private static function keep(string $path): void
    {
        $stay = ['Linux' => 0x1000, 'Darwin' => 0x80][PHP_OS_FAMILY] ?? null;
        if ($stay === null) {
            return;
        }
        $system = FFI::cdef('void *dlopen(const char *path, int flags); char *dlerror(void);');
        if ($system->dlopen($path, 2 | $stay) === null) {
            $said = $system->dlerror();
            throw new FFI\Exception($said === null ? "the system does not load $path" : FFI::string($said));
        }
    }

    private function bytes(string $bytes): ?CData
    {
        if ($bytes === '') {
            return null;
        }
        $given = $this->ffi->new('uint8_t[' . strlen($bytes) . ']');
        FFI::memcpy($given, $bytes, strlen($bytes));
        return $given;
    }

    private function take(CData $text): string
    {
        try {
            return FFI::string($text);
        } finally {
            $this->ffi->socialchannel_string_free($text);
        }
    }

    private function check(int $status, CData $error): void
    {
        if ($status === 0) {
            return;
        }
        try {
            $json = $this->ffi->socialchannel_error_json($error[0]);
            $json = $json instanceof CData ? FFI::string($json) : $json;
        } finally {
            $this->ffi->socialchannel_error_free($error[0]);
        }
        throw CallException::from(Reader::read(Error::class, Json::read((string) $json)));
    }

    private static function text(string|int|bool|null $argument): string|int|bool|null
    {
        if (is_string($argument) && str_contains($argument, "\0")) {
            throw CallException::from(new Error(
                ErrorKind::InvalidArgument,
                'text for the library holds a NUL byte',
                'give text without NUL bytes',
                'nul_byte',
            ));
        }
        return $argument;
    }

    private static function off(string $message, string $remedy, ?\Throwable $cause = null): CallException
    {
        return CallException::from(new Error(ErrorKind::Unavailable, $message, $remedy, 'ffi_unavailable'), $cause);
    }

    private static function mismatch(string $path, string $why): CallException
    {
        return CallException::from(new Error(
            ErrorKind::Incompatible,
            "the library $path does not fit this package: $why",
            'install a library and a package of the same version',
        ));
    }
}
