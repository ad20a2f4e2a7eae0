<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Exception\UnavailableException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\TransportKind;

/**
 * Chooses the transport to the library.
 *
 * | the configuration | the transport |
 * | --- | --- |
 * | `transport` is given | that one |
 * | names a service, here or in the environment | the service |
 * | otherwise | FFI |
 *
 * The available extensions do not matter: FPM and the command line may have different ones, and could then use separate
 * accounts.
 *
 * @internal
 */
final class TransportChoice
{
    /** The variable with the service's address, if it is not configured. */
    public const SERVICE_VARIABLE = 'SOCIAL_CHANNEL_SERVICE';
    /** Its key; over a Unix socket none is needed. */
    public const KEY_VARIABLE = 'SOCIAL_CHANNEL_API_KEY';
    /** Members of the configuration that are this package's own. The others are the library's. */
    private const OWN = ['transport' => 1, 'library' => 1, 'service' => 1, 'api_key' => 1];
    /** Members that imply that the library runs in this process. */
    private const IN_PROCESS = ['data' => 1, 'database' => 1, 'library' => 1];

    /** @param array<string, mixed> $config */
    public static function make(#[\SensitiveParameter] array $config): Transport
    {
        $kind = self::kind($config['transport'] ?? null);
        $service = self::text($config, 'service', self::SERVICE_VARIABLE);
        if ($kind === TransportKind::Http) {
            return self::http($config, $service, 'the configuration asks for it');
        }
        if ($kind === TransportKind::Ffi) {
            return self::ffi($config, 'the configuration asks for it');
        }
        if ($service !== null) {
            $unused = array_keys(array_intersect_key($config, self::IN_PROCESS));
            $why = $unused === [] ? '' : ', so `' . implode('`, `', $unused) . '` of this configuration are ignored';
            return self::http($config, $service, "a service is configured$why");
        }
        try {
            $library = Library::load(self::text($config, 'library', null));
        } catch (UnavailableException $error) {
            $cleared = PHP_SAPI === 'fpm-fcgi'
                ? ' (PHP-FPM clears the environment: env[' . self::SERVICE_VARIABLE . "] = ... in the pool's file)"
                : '';
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                "the library cannot be loaded: {$error->getMessage()}; and no service is configured",
                "$error->remedy; or start `social-channel serve --listen unix:/run/social-channel.sock` and put "
                    . "that address in `service` or " . self::SERVICE_VARIABLE . $cleared,
                'no_transport',
                'transport',
            ), $error);
        }
        return self::open($library, $config, 'FFI is on in this PHP (' . PHP_SAPI . ')');
    }

    /** Whether jobs of this host need a worker, because they do not run in the background. */
    public static function needsWorker(Transport $transport, #[\SensitiveParameter] array $config): bool
    {
        return $transport instanceof FfiTransport && (self::library($config)['background'] ?? true) === false;
    }

    /** @param array<string, mixed> $config */
    private static function ffi(#[\SensitiveParameter] array $config, string $why): Transport
    {
        return self::open(Library::load(self::text($config, 'library', null)), $config, $why);
    }

    /** @param array<string, mixed> $config */
    private static function open(Library $library, #[\SensitiveParameter] array $config, string $why): Transport
    {
        $config = self::library($config);
        $transport = new FfiTransport($library, $config, $why);
        $warnings = $transport->servedKey();
        $below = Files::belowDocumentRoot($config);
        // Once: the library knows the usual marks of a web server's folder.
        foreach ($warnings ?: array_filter([$below]) as $warning) {
            trigger_error("Social Channel: $warning", E_USER_WARNING);
        }
        return $transport;
    }

    /**
     * The library's part of the configuration.
     *
     * @param array<string, mixed> $config
     *
     * @return array<string, mixed>
     */
    private static function library(#[\SensitiveParameter] array $config): array
    {
        $config = array_diff_key($config, self::OWN);
        // Processes of web servers may be killed at any time: jobs are only stored there, and run by a worker.
        return $config + (PHP_SAPI === 'cli' ? [] : ['background' => false]);
    }

    /** @param array<string, mixed> $config */
    private static function http(#[\SensitiveParameter] array $config, ?string $service, string $why): Transport
    {
        if ($service === null) {
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                'no service is named',
                'name its address in `service` or ' . self::SERVICE_VARIABLE,
                field: 'service',
            ));
        }
        if (!extension_loaded('curl')) {
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                "the service at $service cannot be called: this PHP has no curl",
                'install the extension (Debian: php-curl)',
                'no_curl',
            ));
        }
        return new HttpTransport(new HttpClient($service, self::text($config, 'api_key', self::KEY_VARIABLE)), $why);
    }

    private static function kind(mixed $given): ?TransportKind
    {
        if ($given === null || $given === 'auto' || $given instanceof TransportKind) {
            return $given === 'auto' ? null : $given;
        }
        return (is_string($given) ? TransportKind::tryFrom($given) : null) ?? throw self::wrong(
            'transport',
            'write auto, ffi or http',
        );
    }

    /** @param array<string, mixed> $config */
    private static function text(#[\SensitiveParameter] array $config, string $name, ?string $variable): ?string
    {
        if (in_array($config[$name] ?? null, ['', false], true) && $name !== 'api_key') {
            // If an empty value counted as absent, another folder than the intended one would be opened.
            throw self::wrong($name, 'set the variable that it comes from, or omit it if it is not needed', 'is empty');
        }
        $given = $config[$name] ?? ($variable === null ? null : getenv($variable));
        if ($given === null || $given === false || $given === '') {
            return null;
        }
        return is_string($given) ? $given : throw self::wrong($name, 'write text');
    }

    private static function wrong(string $name, string $remedy, string $why = 'is not what it must be'): CallException
    {
        $message = "the setting `$name` $why";
        return CallException::from(new Error(ErrorKind::Misconfigured, $message, $remedy, field: $name));
    }
}
