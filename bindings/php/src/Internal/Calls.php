<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Model\Media;
use SocialChannel\Model\Post;

/**
 * A way to the library, and the tenant for whom calls are made. Null: the tenant `default`.
 *
 * @internal
 */
final readonly class Calls
{
    public function __construct(public Transport $transport, public ?string $tenant)
    {
    }

    /**
     * @param array<string, mixed> $document what else the request holds
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
