<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;

/**
 * A transport to the library, and the tenant of the calls. Null: the tenant `default`.
 *
 * @internal
 */
final readonly class Calls
{
    /** Milliseconds: longer than any process lives. Half of the largest integer, so that adding to it does not overflow. */
    public const FOREVER = PHP_INT_MAX >> 1;

    /** @param bool $needsWorker see `Host::needsWorker()` */
    public function __construct(
        public Transport $transport,
        public ?string $tenant,
        public bool $needsWorker = false,
    ) {
        // The library's rule, checked before the name is used in a header or URL.
        if ($tenant !== null && preg_match('/\A[A-Za-z0-9._-]{1,64}\z/', $tenant) !== 1) {
            throw CallException::from(new Error(
                ErrorKind::InvalidArgument,
                'the tenant name is not 1 to 64 of letters, digits, `.`, `_` and `-`',
                'give an id of your own that consists of these, such as `customer-7`',
                field: 'tenant',
            ));
        }
    }

    /**
     * Checks the owner of a connect.
     *
     * @throws CallException if it is empty, because then anyone could complete the connect
     */
    public static function owner(#[\SensitiveParameter] string $owner): string
    {
        return $owner !== '' ? $owner : throw CallException::from(new Error(
            ErrorKind::InvalidRequest,
            '`owner` is empty: anyone could complete this connect, and another person\'s account would be connected '
                . 'for this person',
            'call `session_start()` before `session_id()`, or give another text that only this person\'s browser has',
            field: 'owner',
        ));
    }

    /**
     * A duration in milliseconds for the library. INF, and durations that are too long, become FOREVER.
     *
     * @throws CallException for an invalid duration
     */
    public static function milliseconds(float $seconds): int
    {
        if (is_nan($seconds) || $seconds < 0) {
            throw CallException::from(new Error(
                ErrorKind::InvalidArgument,
                "$seconds is not a valid duration",
                'give 0 or more seconds; INF for as long as it takes',
                field: 'seconds',
            ));
        }
        return $seconds >= self::FOREVER / 1000 ? self::FOREVER : (int) ($seconds * 1000);
    }

    /**
     * @param array<string, mixed> $document the other members of the request
     * @param list<Media> $media
     *
     * @return array<string, mixed>
     */
    public function request(Post $post, array $media, array $document = []): array
    {
        $ready = array_map(
            fn (Media $one): Media => $one->file === null ? $one : $this->transport->bring($this->tenant, $one, null),
            array_values($media),
        );
        return ['post' => $post, 'media' => $ready] + array_filter($document, static fn (mixed $it) => $it !== null);
    }
}
